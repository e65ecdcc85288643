//! What a message says, as the native surface's clients write it. Other surfaces bring
//! theirs into this form first.

use super::template;
use crate::gateway::{Draft, Error};
use crate::model::content::Content;
use serde_json::{Map, Value};

/// Reads a content by its type; errors point below `/content`.
pub fn draft(json: Option<Value>) -> Result<Draft, Error> {
    let json = json.ok_or_else(|| Error::invalid("/content", "is required"))?;
    if !json.is_object() {
        return Err(Error::invalid("/content", "must be an object"));
    }
    match json.get("type").and_then(Value::as_str) {
        Some("template") => template::draft(json, "/content").map(Draft::Template),
        Some("reply" | "order" | "unsupported") => Err(Error::invalid(
            "/content/type",
            "is for inbound messages only",
        )),
        Some(_) | None => read(json).map(Draft::Content),
    }
}

/// Reads a content that is none of a template's.
pub fn read(json: Value) -> Result<Content, Error> {
    Content::read(json)
        .map_err(|wrong| Error::invalid(format!("/content{}", wrong.pointer), wrong.detail))
}

/// A content of a kind with some fields; those without a value are left out.
pub fn of(kind: &str, fields: impl IntoIterator<Item = (&'static str, Option<Value>)>) -> Value {
    let mut json = Map::from_iter([("type".to_owned(), Value::from(kind))]);
    for (name, value) in fields {
        if let Some(value) = value.filter(|value| !value.is_null()) {
            json.insert(name.to_owned(), value);
        }
    }
    Value::Object(json)
}
