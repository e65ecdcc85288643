//! API keys and what they may do.

use super::id::{KeyId, WorkspaceId};
use super::time::{self, Timestamp};
use crc::{CRC_32_ISO_HDLC, Crc, NoTable};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// What a key may do. The names are the wire names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Scope {
    #[serde(rename = "messaging:conversations:read")]
    ConversationsRead,
    #[serde(rename = "messaging:conversations:write")]
    ConversationsWrite,
    #[serde(rename = "messaging:messages:read")]
    MessagesRead,
    #[serde(rename = "messaging:messages:send")]
    MessagesSend,
    #[serde(rename = "messaging:channels:read")]
    ChannelsRead,
    #[serde(rename = "messaging:channels:write")]
    ChannelsWrite,
    #[serde(rename = "messaging:contacts:read")]
    ContactsRead,
    #[serde(rename = "messaging:contacts:write")]
    ContactsWrite,
    #[serde(rename = "messaging:templates:read")]
    TemplatesRead,
    #[serde(rename = "messaging:templates:write")]
    TemplatesWrite,
    #[serde(rename = "messaging:webhooks:read")]
    WebhooksRead,
    #[serde(rename = "messaging:webhooks:write")]
    WebhooksWrite,
    #[serde(rename = "messaging:keys:read")]
    KeysRead,
    #[serde(rename = "messaging:keys:write")]
    KeysWrite,
    #[serde(rename = "messaging:audit:read")]
    AuditRead,
}

impl Scope {
    pub const ALL: [Scope; 15] = [
        Scope::ConversationsRead,
        Scope::ConversationsWrite,
        Scope::MessagesRead,
        Scope::MessagesSend,
        Scope::ChannelsRead,
        Scope::ChannelsWrite,
        Scope::ContactsRead,
        Scope::ContactsWrite,
        Scope::TemplatesRead,
        Scope::TemplatesWrite,
        Scope::WebhooksRead,
        Scope::WebhooksWrite,
        Scope::KeysRead,
        Scope::KeysWrite,
        Scope::AuditRead,
    ];

    /// The wire name, such as `messaging:messages:send`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Scope::ConversationsRead => "messaging:conversations:read",
            Scope::ConversationsWrite => "messaging:conversations:write",
            Scope::MessagesRead => "messaging:messages:read",
            Scope::MessagesSend => "messaging:messages:send",
            Scope::ChannelsRead => "messaging:channels:read",
            Scope::ChannelsWrite => "messaging:channels:write",
            Scope::ContactsRead => "messaging:contacts:read",
            Scope::ContactsWrite => "messaging:contacts:write",
            Scope::TemplatesRead => "messaging:templates:read",
            Scope::TemplatesWrite => "messaging:templates:write",
            Scope::WebhooksRead => "messaging:webhooks:read",
            Scope::WebhooksWrite => "messaging:webhooks:write",
            Scope::KeysRead => "messaging:keys:read",
            Scope::KeysWrite => "messaging:keys:write",
            Scope::AuditRead => "messaging:audit:read",
        }
    }
}

/// A label on a key, shown in its prefix.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Environment {
    #[default]
    Live,
    Test,
}

impl Environment {
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Environment::Live => "live",
            Environment::Test => "test",
        }
    }
}

/// What is known of a key after its secret was checked. Row of `api_key`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Key {
    pub id: KeyId,
    pub workspace_id: WorkspaceId,
    pub scopes: Vec<Scope>,
    pub environment: Environment,
    /// Unix milliseconds; `None` never ends.
    pub expires_at_ms: Option<i64>,
}

impl Key {
    #[must_use]
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.expires_at_ms.is_some_and(|at| at <= now.ms())
    }

    #[must_use]
    pub fn may(&self, scope: Scope) -> bool {
        self.scopes.contains(&scope)
    }
}

/// A key as listed: everything but the secret.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all(serialize = "camelCase"))]
pub struct KeyRecord {
    pub id: KeyId,
    pub name: String,
    pub prefix: String,
    pub scopes: Vec<Scope>,
    pub environment: Environment,
    #[serde(deserialize_with = "time::column::option::deserialize")]
    pub expires_at: Option<Timestamp>,
    #[serde(deserialize_with = "time::column::deserialize")]
    pub created_at: Timestamp,
}

/// Letters of the random part and the checksum.
const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// 30 letters of base 62 carry 178 bits.
const RANDOM_LETTERS: usize = 30;
const CHECK_LETTERS: usize = 6;
const SHOWN_LETTERS: usize = 6;

/// Without a table, which would be larger than all else about keys.
const CRC_32: Crc<u32, NoTable> = Crc::<u32, NoTable>::new(&CRC_32_ISO_HDLC);

/// The secret text of a key: `pb_live_` or `pb_test_`, 30 random letters, and
/// six more that are the CRC-32 of all before them in base 62, so that typos
/// and secret scanners are answered without a database.
pub struct KeySecret(String);

impl KeySecret {
    /// Makes a secret. Bytes of 248 and above are skipped to keep every letter
    /// equally likely; 64 random bytes leave enough but once in 10^27 times.
    #[must_use]
    pub fn fresh(environment: Environment, random: &[u8; 64]) -> Option<Self> {
        let letters: String = random
            .iter()
            .filter(|byte| **byte < 248)
            .filter_map(|byte| BASE62.get(usize::from(byte % 62)))
            .take(RANDOM_LETTERS)
            .map(|letter| char::from(*letter))
            .collect();
        if letters.len() < RANDOM_LETTERS {
            return None;
        }
        let body = format!("pb_{}_{letters}", environment.name());
        let check = checksum(&body);
        Some(Self(format!("{body}{check}")))
    }

    /// Accepts only text of the right form whose checksum is right.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let letters = text
            .strip_prefix("pb_live_")
            .or_else(|| text.strip_prefix("pb_test_"))?;
        let is_formed = letters.len() == RANDOM_LETTERS + CHECK_LETTERS
            && letters.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if !is_formed {
            return None;
        }
        let (body, check) = text.split_at_checked(text.len() - CHECK_LETTERS)?;
        (checksum(body) == check).then(|| Self(text.to_owned()))
    }

    /// The text to show once.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// What is stored: SHA-256 in hex. The secret has too much entropy to guess.
    #[must_use]
    pub fn hash(&self) -> String {
        hex::encode(Sha256::digest(self.0.as_bytes()))
    }

    /// What lists show, such as `pb_live_3fK9aQ`.
    #[must_use]
    pub fn prefix(&self) -> &str {
        self.0.get(.."pb_live_".len() + SHOWN_LETTERS).unwrap_or("")
    }
}

fn checksum(text: &str) -> String {
    let mut rest = CRC_32.checksum(text.as_bytes());
    let mut letters = [b'0'; CHECK_LETTERS];
    for letter in letters.iter_mut().rev() {
        *letter = BASE62.get((rest % 62) as usize).copied().unwrap_or(b'0');
        rest /= 62;
    }
    String::from_utf8_lossy(&letters).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret() -> KeySecret {
        KeySecret::fresh(Environment::Test, &[77; 64]).expect("64 usable bytes")
    }

    #[test]
    fn a_fresh_key_is_recognised_and_a_typo_is_not() {
        let text = secret().reveal().to_owned();
        assert!(text.starts_with("pb_test_"));
        assert!(KeySecret::parse(&text).is_some());
        for at in 8..text.len() {
            let mut typo = text.clone().into_bytes();
            typo[at] = if typo[at] == b'x' { b'y' } else { b'x' };
            assert!(KeySecret::parse(&String::from_utf8(typo).expect("ascii")).is_none());
        }
        assert!(KeySecret::parse(&text.replace("_test_", "_live_")).is_none());
    }

    #[test]
    fn a_key_with_letters_outside_ascii_is_refused_not_a_panic() {
        assert!(KeySecret::parse("pb_live_ééééééééééééééééééééééééé").is_none());
        assert!(KeySecret::parse("").is_none());
    }

    #[test]
    fn scopes_are_named_on_the_wire_as_they_name_themselves() {
        for scope in Scope::ALL {
            let wire = serde_json::to_value(scope).expect("a name");
            assert_eq!(wire, scope.name());
        }
    }
}
