//! Between the runtime's requests and responses and plain ones.

use crate::api::{BodyBroken, BodyTooLarge, body_limit, is_streamed};
use crate::model::json;
use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri};
use serde_json::json;
use std::str;
use worker::js_sys::{Array, JSON, Promise, Reflect, Uint8Array};
use worker::wasm_bindgen::{JsCast, JsValue};
use worker::wasm_bindgen_futures::JsFuture;
use worker::web_sys::{self, ReadableStream, ReadableStreamDefaultReader};

/// Why there is no body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unread {
    TooLarge,
    /// Cut off, or not in the encoding it claims.
    Broken,
}

/// The request with its body. One that is too long, or broke off, comes empty and
/// marked. `None` where the URL or the
/// method is none.
pub async fn request(raw: &web_sys::Request) -> Option<Request<Bytes>> {
    let uri: Uri = raw.url().parse().ok()?;
    let method: Method = raw.method().parse().ok()?;
    let most = body_limit(uri.path());
    let headers = headers(&raw.headers());
    let body = if is_streamed(&method, uri.path()) {
        // Whoever takes it in counts it.
        Ok(Bytes::new())
    } else {
        match content_length(&headers) {
            Some(length) if length > most => Err(Unread::TooLarge),
            Some(_) => whole(raw.array_buffer()).await,
            None => read(raw.body(), most).await,
        }
    };
    let mut request = Request::new(body.clone().unwrap_or_default());
    *request.uri_mut() = uri;
    *request.method_mut() = method;
    *request.headers_mut() = headers;
    match body {
        Ok(_) => {}
        Err(Unread::TooLarge) => {
            request.extensions_mut().insert(BodyTooLarge);
        }
        Err(Unread::Broken) => {
            request.extensions_mut().insert(BodyBroken);
        }
    }
    Some(request)
}

/// What a request that is none gets.
#[must_use]
pub fn bad_request() -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = StatusCode::BAD_REQUEST;
    response
}

/// Fails where the status or a header is one the runtime does not send.
pub fn response(
    response: &Response<Bytes>,
    stream: Option<ReadableStream>,
) -> Result<web_sys::Response, JsValue> {
    let status = response.status().as_u16();
    let head = json!({ "status": status, "headers": pairs(response.headers())? });
    let init: web_sys::ResponseInit = JSON::parse(&head.to_string())?.unchecked_into();
    if let Some(stream) = stream {
        return web_sys::Response::new_with_opt_readable_stream_and_init(Some(&stream), &init);
    }
    // Some statuses may have no body at all, not even an empty one.
    let body = (!response.body().is_empty()).then(|| Uint8Array::from(response.body().as_ref()));
    web_sys::Response::new_with_opt_js_u8_array_and_init(body.as_ref(), &init)
}

/// What a request says before its body, for `fetch`. A redirect is an answer, and is not followed.
pub fn head(request: &Request<Bytes>) -> Result<web_sys::RequestInit, JsValue> {
    let head = json!({
        "method": request.method().as_str(), "headers": pairs(request.headers())?, "redirect": "manual",
    });
    Ok(JSON::parse(&head.to_string())?.unchecked_into())
}

/// An answer with its body, of up to `most` bytes.
pub async fn answer(raw: &web_sys::Response, most: usize) -> Result<Response<Bytes>, Unread> {
    let headers = headers(&raw.headers());
    let body = match content_length(&headers) {
        // Unpacked it may be longer than it is told to be.
        Some(length) if length <= most && !headers.contains_key(CONTENT_ENCODING) => {
            whole(raw.array_buffer()).await?
        }
        Some(_) | None => read(raw.body(), most).await?,
    };
    let mut response = Response::new(body);
    *response.status_mut() = raw.status().try_into().map_err(|_| Unread::Broken)?;
    *response.headers_mut() = headers;
    Ok(response)
}

/// Reads a body whose length is told: the runtime holds it to that.
async fn whole(buffer: Result<Promise, JsValue>) -> Result<Bytes, Unread> {
    let read = buffer.map_err(|_| Unread::Broken)?;
    let buffer = JsFuture::from(read).await.map_err(|_| Unread::Broken)?;
    Ok(Uint8Array::new(&buffer).to_vec().into())
}

/// Reads a body of up to `most` bytes. A longer one is cancelled: unread, it would hold
/// one of the few connections an invocation may have open.
///
/// The runtime fails the read where a body is shorter than its `content-length`, or its
/// chunks or its compression end early.
async fn read(body: Option<ReadableStream>, most: usize) -> Result<Bytes, Unread> {
    let Some(stream) = body else {
        return Ok(Bytes::new());
    };
    let reader = ReadableStreamDefaultReader::new(&stream).map_err(|_| Unread::Broken)?;
    let mut bytes = Vec::new();
    loop {
        let step = JsFuture::from(reader.read())
            .await
            .map_err(|_| Unread::Broken)?;
        let chunk = Reflect::get(&step, &"value".into()).map_err(|_| Unread::Broken)?;
        if chunk.is_undefined() {
            return Ok(bytes.into());
        }
        let chunk: Uint8Array = chunk.dyn_into().map_err(|_| Unread::Broken)?;
        if bytes.len().saturating_add(chunk.byte_length() as usize) > most {
            let _ = JsFuture::from(reader.cancel()).await;
            return Err(Unread::TooLarge);
        }
        bytes.extend(chunk.to_vec());
    }
}

/// All headers in one crossing from JavaScript. Those that are none are left out.
#[must_use]
pub fn headers(from: &web_sys::Headers) -> HeaderMap {
    let json = JSON::stringify(&Array::from(from)).map(String::from);
    let pairs: Vec<(String, String)> = json
        .ok()
        .and_then(|json| json::parse(&json).ok())
        .unwrap_or_default();
    let mut headers = HeaderMap::with_capacity(pairs.len());
    for (name, value) in pairs {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            headers.append(name, value);
        }
    }
    headers
}

/// All headers for one crossing to JavaScript. Fails where a value is not text.
fn pairs(headers: &HeaderMap) -> Result<Vec<(&str, &str)>, JsValue> {
    let pairs = headers.iter().map(|(name, value)| {
        let value = str::from_utf8(value.as_bytes())
            .map_err(|_| JsValue::from_str("a header's value is not text"))?;
        Ok((name.as_str(), value))
    });
    pairs.collect()
}

/// None where the body comes in chunks too: then they end it, whatever the length says.
fn content_length(headers: &HeaderMap) -> Option<usize> {
    let told = headers.get(CONTENT_LENGTH);
    let told = told.filter(|_| !headers.contains_key(TRANSFER_ENCODING));
    told?.to_str().ok()?.parse().ok()
}
