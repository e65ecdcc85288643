//! Log lines: one JSON object each.

use serde::Serialize;
use serde_json::Value;
use worker::console_log;
use worker::js_sys;
use worker::wasm_bindgen::{JsCast, JsValue};

/// Longer errors carry stack traces and statements; neither belongs in a log.
const LONGEST_REASON: usize = 300;

/// Writes `{"event":…}` with the members of `fields`, an object, beside it.
pub fn line(event: &str, fields: &Value) {
    #[derive(Serialize)]
    struct Line<'a> {
        event: &'a str,
        #[serde(flatten)]
        fields: &'a Value,
    }
    if let Ok(line) = serde_json::to_string(&Line { event, fields }) {
        console_log!("{line}");
    }
}

/// One line of what JavaScript threw. For people: never to be branched on.
#[must_use]
pub fn reason(thrown: impl Into<JsValue>) -> String {
    let thrown: JsValue = thrown.into();
    let message = match thrown.dyn_ref::<js_sys::Error>() {
        Some(error) => Some(String::from(error.message())),
        None => thrown.as_string(),
    };
    let message = message.unwrap_or_default();
    let first = message.lines().next().unwrap_or_default();
    first.chars().take(LONGEST_REASON).collect()
}
