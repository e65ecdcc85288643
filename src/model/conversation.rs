//! A contact on a channel, and when it may be written to freely.

use super::channel::ChannelKind;
use super::id::{ChannelId, ContactId, ConversationId};
use super::message::Actor;
use super::time::{self, DAY_MS, Timestamp};
use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConversationStatus {
    Open,
    PendingCustomer,
    PendingAgent,
    Snoozed,
    Closed,
}

impl ConversationStatus {
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            ConversationStatus::Open => "open",
            ConversationStatus::PendingCustomer => "pending_customer",
            ConversationStatus::PendingAgent => "pending_agent",
            ConversationStatus::Snoozed => "snoozed",
            ConversationStatus::Closed => "closed",
        }
    }

    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        super::json::from_value(serde_json::Value::from(name)).ok()
    }
}

/// Who answers: the client's automation or a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    Ai,
    Human,
}

impl Mode {
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Mode::Ai => "ai",
            Mode::Human => "human",
        }
    }

    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        super::json::from_value(serde_json::Value::from(name)).ok()
    }
}

/// How long after a customer's message free-form content may be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServiceWindow {
    /// Always.
    Unlimited,
    /// WhatsApp, Instagram, Messenger: 24 hours.
    Day,
    /// Instagram, Messenger: 7 days, where a person answers.
    Week,
}

impl ServiceWindow {
    /// The window a channel keeps, which its settings may switch off.
    #[must_use]
    pub fn of(kind: ChannelKind, is_enforced: bool) -> Self {
        match kind {
            ChannelKind::Whatsapp | ChannelKind::Instagram | ChannelKind::Messenger
                if is_enforced =>
            {
                ServiceWindow::Day
            }
            ChannelKind::Whatsapp
            | ChannelKind::Instagram
            | ChannelKind::Messenger
            | ChannelKind::Telegram
            | ChannelKind::Sms
            | ChannelKind::Webchat => ServiceWindow::Unlimited,
        }
    }

    /// The window as it is for somebody who answers. A person may answer for longer
    /// where the provider has a tag that says so.
    #[must_use]
    pub fn for_actor(self, kind: ChannelKind, actor: Actor) -> Self {
        let is_longer = matches!(kind, ChannelKind::Instagram | ChannelKind::Messenger);
        if self == ServiceWindow::Day && actor == Actor::Human && is_longer {
            ServiceWindow::Week
        } else {
            self
        }
    }

    /// Its length in milliseconds; `None` has no end.
    #[must_use]
    pub fn length_ms(self) -> Option<i64> {
        match self {
            ServiceWindow::Unlimited => None,
            ServiceWindow::Day => Some(DAY_MS),
            ServiceWindow::Week => Some(7 * DAY_MS),
        }
    }

    /// When it closes, counted from the customer's last message.
    #[must_use]
    pub fn closes_at(self, last_inbound_at: Option<Timestamp>) -> Option<Timestamp> {
        Some(last_inbound_at?.plus_ms(self.length_ms()?))
    }

    #[must_use]
    pub fn is_open(self, last_inbound_at: Option<Timestamp>, now: Timestamp) -> bool {
        match self {
            ServiceWindow::Unlimited => true,
            ServiceWindow::Day | ServiceWindow::Week => {
                self.closes_at(last_inbound_at).is_some_and(|at| now < at)
            }
        }
    }
}

/// A conversation as stored, with its contact. Row of the view `conversation_record`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ConversationRecord {
    pub id: ConversationId,
    pub channel_id: ChannelId,
    pub channel_type: ChannelKind,
    pub contact_id: ContactId,
    pub contact_name: Option<String>,
    pub address: String,
    pub status: ConversationStatus,
    pub mode: Mode,
    pub assignee: Option<String>,
    pub unread_count: i64,
    /// 0 or 1: whether the channel enforces its window.
    pub enforce_window: i64,
    #[serde(deserialize_with = "time::column::option::deserialize")]
    pub last_inbound_at: Option<Timestamp>,
    #[serde(deserialize_with = "time::column::option::deserialize")]
    pub last_outbound_at: Option<Timestamp>,
    #[serde(deserialize_with = "time::column::deserialize")]
    pub last_activity_at: Timestamp,
    #[serde(deserialize_with = "time::column::deserialize")]
    pub created_at: Timestamp,
    /// While the person wants no messages.
    #[serde(default, deserialize_with = "time::column::option::deserialize")]
    pub opted_out_at: Option<Timestamp>,
}

impl ConversationRecord {
    #[must_use]
    pub fn window(&self) -> ServiceWindow {
        ServiceWindow::of(self.channel_type, self.enforce_window != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_closes_a_day_after_the_customers_last_message() {
        let window = ServiceWindow::of(ChannelKind::Whatsapp, true);
        let wrote = Timestamp::from_ms(1_000);
        assert!(window.is_open(Some(wrote), wrote.plus_ms(DAY_MS - 1)));
        assert!(!window.is_open(Some(wrote), wrote.plus_ms(DAY_MS)));
        assert!(!window.is_open(None, wrote));
    }

    #[test]
    fn telegram_and_unenforced_channels_have_no_window() {
        let now = Timestamp::from_ms(5);
        assert!(ServiceWindow::of(ChannelKind::Telegram, true).is_open(None, now));
        assert!(ServiceWindow::of(ChannelKind::Whatsapp, false).is_open(None, now));
    }
}
