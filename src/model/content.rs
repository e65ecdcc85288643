//! What a message says.

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
    /// Inbound only: something that arrived whose kind has no form of its own here.
    Unsupported { provider_type: String },
}

/// Content kinds of the contract that cannot be sent yet; they are refused by name.
pub const NOT_SENDABLE: [&str; 15] = [
    "image",
    "video",
    "audio",
    "document",
    "sticker",
    "location",
    "contacts",
    "interactive",
    "cards",
    "template",
    "reaction",
    "markSeen",
    "typing",
    "paymentRequest",
    "orderStatus",
];
