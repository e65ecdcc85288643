//! What a message says, as clients write it.

use crate::api::reading::read;
use crate::channel::Invalid;
use crate::gateway::{Draft, Error};
use crate::model::content::{Content, NOT_SENDABLE};
use crate::model::id::TemplateId;
use crate::model::template::{TemplateDraft, TemplateRef};
use serde::Deserialize;
use serde_json::{Map, Value};

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
        Some("template") => template(json).map(Draft::Template),
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

/// A template by our id, by its key or by its name, with what fills it.
fn template(json: Value) -> Result<TemplateDraft, Error> {
    #[derive(Deserialize)]
    struct Wire {
        id: Option<TemplateId>,
        key: Option<String>,
        name: Option<String>,
        language: Option<String>,
        components: Option<Vec<Map<String, Value>>>,
        variables: Option<Map<String, Value>>,
    }
    let wire: Wire = read(json, "/content")?;
    let language = wire.language;
    if wire.id.is_some() && language.is_some() {
        return Err(Error::invalid(
            "/content/language",
            "goes with a key or a name: an id is of one language",
        ));
    }
    let template = match (wire.id, wire.key, wire.name) {
        (Some(id), None, None) => TemplateRef::Id(id),
        (None, Some(key), None) => TemplateRef::Key { key, language },
        (None, None, Some(name)) => TemplateRef::Name { name, language },
        _ => {
            return Err(Error::invalid(
                "/content",
                "must name the template by exactly one of key, name and id",
            ));
        }
    };
    if wire.components.is_some() && wire.variables.is_some() {
        return Err(Error::invalid(
            "/content/variables",
            "cannot be given together with components",
        ));
    }
    Ok(TemplateDraft {
        template,
        components: wire
            .components
            .map(|components| components.into_iter().map(Value::Object).collect()),
        variables: wire.variables,
    })
}
