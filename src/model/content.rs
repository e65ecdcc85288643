//! What a message says.

use super::id::TemplateId;
use serde::{Deserialize, Serialize};

/// The content of a message, tagged by `type` on the wire and in the database.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(
    tag = "type",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
pub enum Content {
    Text {
        text: String,
        /// Whether the provider may unfold a link; `None` leaves it to the provider.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        preview_url: Option<bool>,
    },
    /// An approved template, filled. What was asked for is a `TemplateDraft`.
    Template(Template),
    /// Inbound only: something that arrived whose kind has no form of its own here.
    Unsupported { provider_type: String },
}

/// A template as it is sent and shown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Template {
    pub id: TemplateId,
    pub key: String,
    pub name: String,
    pub language: String,
    /// In the provider's own shape.
    pub components: Vec<serde_json::Value>,
    /// The rendered body.
    pub text: String,
}

impl Content {
    /// The name of its kind on the wire.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Content::Text { .. } => "text",
            Content::Template(_) => "template",
            Content::Unsupported { .. } => "unsupported",
        }
    }

    /// What it says, as text a person can read; `None` where it has none.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match self {
            Content::Text { text, .. } => Some(text),
            Content::Template(template) => Some(&template.text),
            Content::Unsupported { .. } => None,
        }
    }
}

/// Content kinds of the contract that cannot be sent yet; they are refused by name.
pub const NOT_SENDABLE: [&str; 14] = [
    "image",
    "video",
    "audio",
    "document",
    "sticker",
    "location",
    "contacts",
    "interactive",
    "cards",
    "reaction",
    "markSeen",
    "typing",
    "paymentRequest",
    "orderStatus",
];
