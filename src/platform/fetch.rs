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
    fn fetch_js(request: &web_sys::Request) -> Result<Promise, JsValue>;

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
    let request = to_js(request, &abort_after(deadline_ms)?)?;
    let raw: web_sys::Response = JsFuture::from(fetch_js(&request)?).await?.dyn_into()?;
    let headers = wire::headers(&raw.headers());
    let body = wire::read(raw.body(), LONGEST_ANSWER)
        .await
        .map_err(|unread| JsValue::from_str(&format!("{unread:?}")))?;
    let mut response = Response::new(body);
    *response.status_mut() = raw.status().try_into().map_err(|_| JsValue::NULL)?;
    *response.headers_mut() = headers;
    Ok(response)
}

fn to_js(request: &Request<Bytes>, signal: &AbortSignal) -> Result<web_sys::Request, JsValue> {
    let init = web_sys::RequestInit::new();
    init.set_method(request.method().as_str());
    init.set_headers(wire::to_js(request.headers())?.as_ref());
    init.set_redirect(web_sys::RequestRedirect::Manual);
    init.set_signal(Some(signal));
    if !request.body().is_empty() {
        init.set_body(&Uint8Array::from(request.body().as_ref()));
    }
    web_sys::Request::new_with_str_and_init(&request.uri().to_string(), &init)
}
