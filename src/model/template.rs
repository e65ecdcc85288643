//! Message templates: texts that a provider approved before they may be sent.

use super::id::{ChannelId, TemplateId};
use super::time::{self, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The one status in which a template may be sent.
pub const APPROVED: &str = "APPROVED";

/// The status of one that its provider no longer has, or is about to have no longer.
pub const DELETED: &str = "DELETED";

/// A template as stored. Row of `template`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all(serialize = "camelCase"))]
pub struct TemplateRecord {
    pub id: TemplateId,
    pub channel_id: ChannelId,
    /// The name clients send it by: the provider's, unless they set another.
    pub key: String,
    pub name: String,
    /// As the provider writes it, such as `pt_BR`.
    pub language: String,
    pub category: String,
    /// The provider's word, such as `APPROVED`, `PENDING` or `REJECTED`.
    pub status: String,
    /// In the provider's own shape.
    pub components: Vec<Value>,
    /// What its placeholders are called, in their order.
    pub variables: Vec<String>,
    /// Grows with every change; a send planned on an older one is planned again.
    #[serde(skip_serializing)]
    pub version: i64,
    #[serde(deserialize_with = "time::column::deserialize")]
    pub created_at: Timestamp,
}

/// A template as its provider lists it.
#[derive(Clone, Debug, PartialEq)]
pub struct ProviderTemplate {
    pub provider_id: String,
    pub name: String,
    pub language: String,
    pub category: String,
    pub status: String,
    pub components: Vec<Value>,
}

/// A template as a client asks for it.
#[derive(Clone, Debug, PartialEq)]
pub struct TemplateDraft {
    pub template: TemplateRef,
    /// In the provider's own shape, sent as they are.
    pub components: Option<Vec<Value>>,
    /// By the names of the template's placeholders.
    pub variables: Option<Map<String, Value>>,
}

/// Which template.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum TemplateRef {
    Id(TemplateId),
    /// In the channel's default language where none is named.
    Key {
        key: String,
        language: Option<String>,
    },
    Name {
        name: String,
        language: Option<String>,
    },
}
