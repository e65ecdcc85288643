//! HTTP requests to providers and subscribers, with an end in sight.

use super::wire;
use crate::gateway::NoAnswer;
use bytes::Bytes;
use http::{Request, Response};
use worker::js_sys::{Promise, Uint8Array};
use worker::wasm_bindgen::prelude::wasm_bindgen;
use worker::wasm_bindgen::{JsCast, JsValue};
use worker::wasm_bindgen_futures::JsFuture;
use worker::web_sys::{self, AbortSignal, RequestInit};

/// Longer answers are nobody's.
pub const LONGEST_ANSWER: usize = 1024 * 1024;

// Declared here because `worker` assumes that neither throws.
#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(catch, js_name = fetch)]
    fn fetch_js(url: &str, init: &RequestInit) -> Result<Promise, JsValue>;

    /// A signal that is given after so long.
    #[wasm_bindgen(catch, js_namespace = AbortSignal, js_name = timeout)]
    pub fn abort_after(ms: u32) -> Result<AbortSignal, JsValue>;
}

/// Gives the complete answer, or none within `deadline_ms`. A redirect is an answer.
///
/// The signal ends the exchange at any point, the body included, and frees its
/// connection. Nothing is left to clear: an invocation does not wait for it.
pub async fn fetch(request: Request<Bytes>, deadline_ms: u32) -> Result<Response<Bytes>, NoAnswer> {
    let raw = exchange(&request, deadline_ms)
        .await
        .map_err(|_| NoAnswer)?;
    let answer = wire::answer(&raw, LONGEST_ANSWER).await;
    answer.map_err(|_| NoAnswer)
}

async fn exchange(
    request: &Request<Bytes>,
    deadline_ms: u32,
) -> Result<web_sys::Response, JsValue> {
    let init = wire::head(request)?;
    init.set_signal(Some(&abort_after(deadline_ms)?));
    if !request.body().is_empty() {
        init.set_body(&Uint8Array::from(request.body().as_ref()));
    }
    head_of_answer(&request.uri().to_string(), &init).await
}

/// Waits for an answer to begin.
pub async fn head_of_answer(url: &str, init: &RequestInit) -> Result<web_sys::Response, JsValue> {
    JsFuture::from(fetch_js(url, init)?).await?.dyn_into()
}
