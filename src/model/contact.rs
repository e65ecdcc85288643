//! People and the addresses they are known by.

use super::id::ContactId;
use super::time::{self, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// What kind of address an identity is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IdentityKind {
    Phone,
    Whatsapp,
    Instagram,
    Messenger,
    Telegram,
    Visitor,
}

impl IdentityKind {
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            IdentityKind::Phone => "phone",
            IdentityKind::Whatsapp => "whatsapp",
            IdentityKind::Instagram => "instagram",
            IdentityKind::Messenger => "messenger",
            IdentityKind::Telegram => "telegram",
            IdentityKind::Visitor => "visitor",
        }
    }
}

/// One way a contact is known, as the provider spells it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Identity {
    pub kind: IdentityKind,
    pub value: String,
}

/// A recipient in the form its provider wants: WhatsApp digits without `+` or a
/// business-scoped user id, a Telegram chat id, and so on.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Address(pub String);

/// A contact as stored. Row of the view `contact_record`.
#[derive(Clone, Debug, Deserialize)]
pub struct ContactRecord {
    pub id: ContactId,
    pub name: Option<String>,
    /// By kind and value.
    pub identities: Vec<Identity>,
    pub metadata: Option<Box<RawValue>>,
    #[serde(deserialize_with = "time::column::deserialize")]
    pub created_at: Timestamp,
}
