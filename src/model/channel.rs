//! Connected senders.

use super::content::MediaMode;
use super::id::{ChannelId, WorkspaceId};
use super::time::{self, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// A provider family. The registry in `channel` maps each to its adapter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ChannelKind {
    Whatsapp,
    Instagram,
    Messenger,
    Telegram,
    Sms,
    Webchat,
}

impl ChannelKind {
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            ChannelKind::Whatsapp => "whatsapp",
            ChannelKind::Instagram => "instagram",
            ChannelKind::Messenger => "messenger",
            ChannelKind::Telegram => "telegram",
            ChannelKind::Sms => "sms",
            ChannelKind::Webchat => "webchat",
        }
    }

    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        super::json::from_value(serde_json::Value::from(name)).ok()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChannelStatus {
    Connected,
    NeedsReauth,
    Disabled,
}

impl ChannelStatus {
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            ChannelStatus::Connected => "connected",
            ChannelStatus::NeedsReauth => "needs_reauth",
            ChannelStatus::Disabled => "disabled",
        }
    }
}

/// What to do when a send may or may not have reached the provider.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnUnknownOutcome {
    /// Leave it `unknown`: at most once.
    #[default]
    Hold,
    /// Send it again: at least once.
    Resend,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Settings {
    /// Refuse free-form content outside the provider's service window.
    pub enforce_window: bool,
    pub on_unknown_outcome: OnUnknownOutcome,
    /// How the provider gets files whose messages do not say it.
    #[serde(skip_serializing_if = "is_link")]
    pub media: MediaMode,
    /// The language of a template that is sent without one, such as `pt_BR`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_language: Option<String>,
    /// How many messages a second it sends at most, where that is not the provider's usual.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub messages_per_second: Option<u32>,
    /// Instagram: by which of Meta's two products the account is connected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub login: Option<InstagramLogin>,
    /// Web chat: the sites whose pages may hold it, such as `https://shop.example`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub allowed_origins: Vec<String>,
    /// Web chat: what visitors see as its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// Web chat: whether every visitor must prove who they are.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub require_identity: bool,
}

fn is_link(mode: &MediaMode) -> bool {
    *mode == MediaMode::Link
}

/// Meta's two ways to Instagram.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum InstagramLogin {
    /// The account itself, at `graph.instagram.com`.
    #[default]
    Instagram,
    /// Through the Facebook Page it is linked to, at `graph.facebook.com`.
    Facebook,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            enforce_window: true,
            on_unknown_outcome: OnUnknownOutcome::Hold,
            media: MediaMode::Link,
            default_language: None,
            messages_per_second: None,
            login: None,
            allowed_origins: vec![],
            display_name: None,
            require_identity: false,
        }
    }
}

/// A channel's secrets by their wire names, such as `accessToken`. Encrypted at
/// rest, never shown and never logged.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Credentials(pub BTreeMap<String, String>);

impl Credentials {
    /// The named secret; the empty text when there is none. Every check against
    /// an empty secret must fail.
    #[must_use]
    pub fn get(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").finish_non_exhaustive()
    }
}

/// A channel as adapters and use cases see it, credentials opened.
#[derive(Clone, Debug, PartialEq)]
pub struct Channel {
    pub id: ChannelId,
    pub workspace_id: WorkspaceId,
    pub kind: ChannelKind,
    pub identifier: String,
    pub settings: Settings,
    pub credentials: Credentials,
    /// Grows with every change; a send planned on an older one is planned again.
    pub version: i64,
}

/// A channel as clients see it, without its credentials. Row of `channel`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ChannelRecord {
    pub id: ChannelId,
    #[serde(rename = "type")]
    pub kind: ChannelKind,
    pub name: String,
    pub identifier: String,
    pub status: ChannelStatus,
    pub settings: Settings,
    /// Web chat only.
    pub public_key: Option<String>,
    #[serde(deserialize_with = "time::column::option::deserialize")]
    pub last_inbound_at: Option<Timestamp>,
    pub last_error_code: Option<String>,
    #[serde(deserialize_with = "time::column::option::deserialize")]
    pub last_error_at: Option<Timestamp>,
    #[serde(deserialize_with = "time::column::deserialize")]
    pub created_at: Timestamp,
}

/// The form in which identifiers are compared: no leading `@` or `+`, no
/// case, and of phone numbers the digits alone.
#[must_use]
pub fn match_key(identifier: &str) -> String {
    let bare = identifier.trim().trim_start_matches(['@', '+']);
    let is_phone = bare.bytes().any(|byte| byte.is_ascii_digit())
        && bare
            .bytes()
            .all(|byte| byte.is_ascii_digit() || b" ()-.".contains(&byte));
    if is_phone {
        bare.chars().filter(char::is_ascii_digit).collect()
    } else {
        bare.to_lowercase()
    }
}

/// One message every so often, after a burst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Rate {
    pub every_us: i64,
    /// How far ahead of that a burst may be.
    pub slack_us: i64,
}

impl Rate {
    pub const NONE: Rate = Rate::new(0, 1);

    pub const fn new(every_us: i64, burst: i64) -> Self {
        Self {
            every_us,
            slack_us: every_us * (burst - 1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_match_with_or_without_their_marks() {
        assert_eq!(match_key("+1 (555) 010-0001"), match_key("15550100001"));
        assert_eq!(match_key("@Patchbay_Bot"), match_key("patchbay_bot"));
        assert_ne!(match_key("patchbay_bot2"), match_key("patchbay_bot"));
    }

    #[test]
    fn credentials_do_not_show_themselves() {
        let secret = Credentials([("appSecret".to_owned(), "hush".to_owned())].into());
        assert!(!format!("{secret:?}").contains("hush"));
        assert_eq!(secret.get("appSecret"), "hush");
        assert_eq!(secret.get("verifyToken"), "");
    }
}
