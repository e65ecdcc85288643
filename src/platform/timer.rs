//! Waiting. `worker::Delay` expects a number from `setTimeout`, which at this
//! compatibility date gives an object; the runtime's own scheduler gives a promise.
//! <https://developers.cloudflare.com/workers/runtime-apis/scheduler/>

use super::log;
use serde_json::json;
use worker::js_sys::Promise;
use worker::wasm_bindgen::JsValue;
use worker::wasm_bindgen::prelude::wasm_bindgen;
use worker::wasm_bindgen_futures::JsFuture;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(catch, js_namespace = scheduler, js_name = wait)]
    fn wait(ms: u32) -> Result<Promise, JsValue>;
}

/// Waits so long, or not at all where the runtime does not let us.
pub async fn sleep(ms: u32) {
    let waited = match wait(ms) {
        Ok(promise) => JsFuture::from(promise).await.map(|_| ()),
        Err(thrown) => Err(thrown),
    };
    if let Err(thrown) = waited {
        log::line("timer.failed", &json!({ "error": log::reason(thrown) }));
    }
}
