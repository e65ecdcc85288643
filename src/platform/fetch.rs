//! One HTTP request to a provider or a subscriber, with an end in sight.

use super::wire;
use crate::gateway::NoAnswer;
use bytes::Bytes;
use http::{Request, Response};
use worker::js_sys::{Promise, Uint8Array};
use worker::wasm_bindgen::prelude::wasm_bindgen;
use worker::wasm_bindgen::{JsCast, JsValue};
use worker::wasm_bindgen_futures::JsFuture;
use worker::web_sys::{self, AbortSignal};

/// Longer answers are nobody's.
const LONGEST_ANSWER: usize = 1024 * 1024;

// Declared here because `worker` assumes that neither throws.
#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(catch, js_name = fetch)]
    fn fetch_js(url: &str, init: &web_sys::RequestInit) -> Result<Promise, JsValue>;

    #[wasm_bindgen(catch, js_namespace = AbortSignal, js_name = timeout)]
    fn abort_after(ms: u32) -> Result<AbortSignal, JsValue>;
}

/// Gives the complete answer, or none within `deadline_ms`. A redirect is an answer.
///
/// The signal ends the exchange at any point, the body included, and frees its
/// connection. Nothing is left to clear: an invocation does not wait for it.
pub async fn fetch(request: Request<Bytes>, deadline_ms: u32) -> Result<Response<Bytes>, NoAnswer> {
    exchange(&request, deadline_ms).await.map_err(|_| NoAnswer)
}

async fn exchange(request: &Request<Bytes>, deadline_ms: u32) -> Result<Response<Bytes>, JsValue> {
    let init = wire::head(request)?;
    init.set_signal(Some(&abort_after(deadline_ms)?));
    if !request.body().is_empty() {
        init.set_body(&Uint8Array::from(request.body().as_ref()));
    }
    let asked = fetch_js(&request.uri().to_string(), &init)?;
    let raw: web_sys::Response = JsFuture::from(asked).await?.dyn_into()?;
    let headers = wire::headers(&raw.headers());
    let body = wire::read_answer(&raw, &headers, LONGEST_ANSWER)
        .await
        .map_err(|unread| JsValue::from_str(&format!("{unread:?}")))?;
    let mut response = Response::new(body);
    *response.status_mut() = raw.status().try_into().map_err(|_| JsValue::NULL)?;
    *response.headers_mut() = headers;
    Ok(response)
}
