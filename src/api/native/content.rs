//! What a message says, as clients write it.

use crate::api::reading::read;
use crate::api::template;
use crate::channel::Invalid;
use crate::gateway::{Draft, Error};
use crate::model::content::{Content, NOT_SENDABLE};
use serde::Deserialize;
use serde_json::Value;

/// Reads a content by its type, so that errors point into it.
pub fn content(json: Option<Value>) -> Result<Draft, Error> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Text {
        text: String,
        preview_url: Option<bool>,
    }
    let json = json.ok_or_else(|| Error::invalid("/content", "is required"))?;
    if !json.is_object() {
        return Err(Error::invalid("/content", "must be an object"));
    }
    let kind = json
        .get("type")
        .ok_or_else(|| Error::invalid("/content/type", "is required"))?;
    match kind.as_str() {
        Some("text") => {
            let text: Text = read(json, "/content")?;
            Ok(Draft::Content(Content::Text {
                text: text.text,
                preview_url: text.preview_url,
            }))
        }
        Some("template") => template::draft(json, "/content").map(Draft::Template),
        Some(kind) if NOT_SENDABLE.contains(&kind) => Err(Error::UnsupportedContent(Invalid::new(
            "/content/type",
            format!("{kind} cannot be sent yet"),
        ))),
        Some("reply" | "order" | "unsupported") => Err(Error::invalid(
            "/content/type",
            "is for inbound messages only",
        )),
        Some(_) | None => Err(Error::invalid("/content/type", "is not a content there is")),
    }
}
