//! One HTTP request to a provider or a subscriber, with an end in sight.

use super::wire;
use crate::gateway::NoAnswer;
use bytes::Bytes;
use futures_util::future::{Either, select};
use http::{Request, Response};
use std::pin::pin;
use std::time::Duration;
use worker::js_sys::{Promise, Uint8Array};
use worker::wasm_bindgen::prelude::wasm_bindgen;
use worker::wasm_bindgen::{JsCast, JsValue};
use worker::wasm_bindgen_futures::JsFuture;
use worker::{AbortController, AbortSignal, Delay, web_sys};

/// Longer answers are nobody's.
const LONGEST_ANSWER: usize = 1024 * 1024;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(catch, js_name = fetch)]
    fn fetch_js(request: &web_sys::Request) -> Result<Promise, JsValue>;
}

/// Gives the complete answer, redirects included as they are, or none within
/// `deadline_ms`.
///
/// A failed exchange is aborted: of the few connections that may be open at a
/// time, it would otherwise hold one until its other end lets go.
pub async fn fetch(request: Request<Bytes>, deadline_ms: u32) -> Result<Response<Bytes>, NoAnswer> {
    let abort = AbortController::default();
    let signal = abort.signal();
    let exchange = pin!(exchange(&request, &signal));
    let deadline = pin!(Delay::from(Duration::from_millis(deadline_ms.into())));
    let answer = match select(exchange, deadline).await {
        Either::Left((answer, _)) => answer.map_err(|_| NoAnswer),
        Either::Right(_) => Err(NoAnswer),
    };
    if answer.is_err() {
        abort.abort();
    }
    answer
}

async fn exchange(
    request: &Request<Bytes>,
    signal: &AbortSignal,
) -> Result<Response<Bytes>, JsValue> {
    let promise = fetch_js(&to_js(request, signal)?)?;
    let raw: web_sys::Response = JsFuture::from(promise).await?.dyn_into()?;
    let headers = wire::headers(&raw.headers());
    let body = wire::read(raw.body(), LONGEST_ANSWER)
        .await
        .map_err(|_| JsValue::from_str("the answer broke off or is too long"))?;
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
