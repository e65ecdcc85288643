//! Messages and how far each has come.

use super::channel::ChannelKind;
use super::content::Content;
use super::id::{ChannelId, ContactId, ConversationId, MessageId};
use super::time::{self, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    Inbound,
    Outbound,
}

/// Who wrote an outbound message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Actor {
    #[default]
    Bot,
    Human,
}

/// How far a message has come. Declared in order of rank; `Received` is the one
/// status of inbound messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeliveryStatus {
    Received,
    Scheduled,
    Accepted,
    Sending,
    Unknown,
    Sent,
    Failed,
    Canceled,
    Expired,
    Delivered,
    Read,
}

impl DeliveryStatus {
    pub const ALL: [DeliveryStatus; 11] = [
        DeliveryStatus::Received,
        DeliveryStatus::Scheduled,
        DeliveryStatus::Accepted,
        DeliveryStatus::Sending,
        DeliveryStatus::Unknown,
        DeliveryStatus::Sent,
        DeliveryStatus::Failed,
        DeliveryStatus::Canceled,
        DeliveryStatus::Expired,
        DeliveryStatus::Delivered,
        DeliveryStatus::Read,
    ];

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            DeliveryStatus::Received => "received",
            DeliveryStatus::Scheduled => "scheduled",
            DeliveryStatus::Accepted => "accepted",
            DeliveryStatus::Sending => "sending",
            DeliveryStatus::Unknown => "unknown",
            DeliveryStatus::Sent => "sent",
            DeliveryStatus::Failed => "failed",
            DeliveryStatus::Canceled => "canceled",
            DeliveryStatus::Expired => "expired",
            DeliveryStatus::Delivered => "delivered",
            DeliveryStatus::Read => "read",
        }
    }

    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.name() == name)
    }

    /// Whether a report of `self` may take the place of `current`.
    ///
    /// A status never moves back. `failed`, `canceled` and `expired` are final,
    /// except that proof of arrival (`delivered`, `read`) replaces `failed`,
    /// which itself never replaces those two.
    #[must_use]
    pub fn replaces(self, current: DeliveryStatus) -> bool {
        match current {
            DeliveryStatus::Received | DeliveryStatus::Canceled | DeliveryStatus::Expired => false,
            DeliveryStatus::Failed => {
                matches!(self, DeliveryStatus::Delivered | DeliveryStatus::Read)
            }
            DeliveryStatus::Scheduled
            | DeliveryStatus::Accepted
            | DeliveryStatus::Sending
            | DeliveryStatus::Unknown
            | DeliveryStatus::Sent
            | DeliveryStatus::Delivered
            | DeliveryStatus::Read => self > current,
        }
    }
}

/// Why a message failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MessageError {
    /// Ours, such as `provider_rejected`.
    pub code: String,
    pub message: String,
    /// The provider's own, as text, such as `131026`.
    pub provider_code: Option<String>,
}

/// What was changed about a content so that its channel could carry it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Adapted {
    pub changes: Vec<Change>,
    /// The messages that it became, in their order.
    pub parts: Vec<MessageId>,
}

/// One thing that was changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Of the request.
    pub pointer: String,
    pub detail: String,
}

/// A message as stored. Row of the view `message_record`, which is also what
/// an event keeps of it.
#[derive(Clone, Debug, Deserialize)]
pub struct MessageRecord {
    pub id: MessageId,
    pub conversation_id: ConversationId,
    pub channel_id: ChannelId,
    pub channel_type: ChannelKind,
    pub contact_id: ContactId,
    pub direction: Direction,
    pub status: DeliveryStatus,
    pub content: Content,
    pub reply_to: Option<String>,
    pub provider_message_id: Option<String>,
    pub error: RecordedError,
    pub metadata: Option<Value>,
    pub seq: i64,
    /// The same for each of its parts.
    pub adapted: Option<Adapted>,
    /// What the provider charges, where it says so.
    pub pricing: Option<Value>,
    pub times: Times,
}

/// The columns of an error; all empty where there was none.
#[derive(Clone, Debug, Deserialize)]
pub struct RecordedError {
    pub code: Option<String>,
    pub message: Option<String>,
    pub provider_code: Option<String>,
}

/// When a message reached each of its statuses.
#[derive(Clone, Debug, Deserialize)]
pub struct Times {
    #[serde(deserialize_with = "time::column::option::deserialize")]
    pub scheduled_at: Option<Timestamp>,
    /// The first it had, where it was changed.
    #[serde(default, deserialize_with = "time::column::option::deserialize")]
    pub first_scheduled_at: Option<Timestamp>,
    #[serde(deserialize_with = "time::column::option::deserialize")]
    pub expires_at: Option<Timestamp>,
    #[serde(deserialize_with = "time::column::deserialize")]
    pub created_at: Timestamp,
    /// When a scheduled one fell due.
    #[serde(default, deserialize_with = "time::column::option::deserialize")]
    pub accepted_at: Option<Timestamp>,
    #[serde(default, deserialize_with = "time::column::option::deserialize")]
    pub due_at: Option<Timestamp>,
    #[serde(deserialize_with = "time::column::option::deserialize")]
    pub sending_at: Option<Timestamp>,
    #[serde(deserialize_with = "time::column::option::deserialize")]
    pub unknown_at: Option<Timestamp>,
    #[serde(deserialize_with = "time::column::option::deserialize")]
    pub sent_at: Option<Timestamp>,
    #[serde(deserialize_with = "time::column::option::deserialize")]
    pub delivered_at: Option<Timestamp>,
    #[serde(deserialize_with = "time::column::option::deserialize")]
    pub read_at: Option<Timestamp>,
    #[serde(deserialize_with = "time::column::option::deserialize")]
    pub failed_at: Option<Timestamp>,
    #[serde(deserialize_with = "time::column::option::deserialize")]
    pub expired_at: Option<Timestamp>,
    #[serde(default, deserialize_with = "time::column::option::deserialize")]
    pub canceled_at: Option<Timestamp>,
    #[serde(default, deserialize_with = "time::column::option::deserialize")]
    pub edited_at: Option<Timestamp>,
    #[serde(default, deserialize_with = "time::column::option::deserialize")]
    pub deleted_at: Option<Timestamp>,
}

impl MessageRecord {
    /// Every status the message has had, oldest first, with the moment of each.
    #[must_use]
    pub fn history(&self) -> Vec<(DeliveryStatus, Timestamp)> {
        let times = &self.times;
        if self.direction == Direction::Inbound {
            return vec![(DeliveryStatus::Received, times.created_at)];
        }
        let arrived = [times.delivered_at, times.read_at]
            .into_iter()
            .flatten()
            .min();
        // A failure reported after the message arrived was none.
        let failed_at = times
            .failed_at
            .filter(|failed| arrived.is_none_or(|arrived| *failed < arrived));
        let first = match times.scheduled_at {
            Some(_) => DeliveryStatus::Scheduled,
            None => DeliveryStatus::Accepted,
        };
        let mut history = vec![(first, times.created_at)];
        let later = [
            (DeliveryStatus::Accepted, times.accepted_at),
            (DeliveryStatus::Sending, times.sending_at),
            (DeliveryStatus::Unknown, times.unknown_at),
            (DeliveryStatus::Sent, times.sent_at),
            (DeliveryStatus::Failed, failed_at),
            (DeliveryStatus::Canceled, times.canceled_at),
            (DeliveryStatus::Expired, times.expired_at),
            (DeliveryStatus::Delivered, times.delivered_at),
            (DeliveryStatus::Read, times.read_at),
        ];
        // Providers count in seconds: what came later is not shown as earlier.
        let mut last = times.created_at;
        for (status, at) in later {
            if let Some(at) = at {
                last = last.max(at);
                history.push((status, last));
            }
        }
        history
    }

    /// When it is tried next, while it waits.
    #[must_use]
    pub fn next_attempt_at(&self) -> Option<Timestamp> {
        match self.status {
            DeliveryStatus::Scheduled => self.times.scheduled_at,
            DeliveryStatus::Accepted => self.times.due_at,
            DeliveryStatus::Received
            | DeliveryStatus::Sending
            | DeliveryStatus::Unknown
            | DeliveryStatus::Sent
            | DeliveryStatus::Failed
            | DeliveryStatus::Canceled
            | DeliveryStatus::Expired
            | DeliveryStatus::Delivered
            | DeliveryStatus::Read => None,
        }
    }

    /// The error, while the message stands as ended by it.
    #[must_use]
    pub fn error(&self) -> Option<MessageError> {
        let has_ended = matches!(
            self.status,
            DeliveryStatus::Failed | DeliveryStatus::Expired | DeliveryStatus::Unknown
        );
        if !has_ended {
            return None;
        }
        Some(MessageError {
            code: self.error.code.clone()?,
            message: self.error.message.clone().unwrap_or_default(),
            provider_code: self.error.provider_code.clone(),
        })
    }

    /// The message as it stood when it was accepted: what a replay answers.
    #[must_use]
    pub fn as_accepted(mut self) -> Self {
        if self.channel_type == ChannelKind::Webchat && self.times.scheduled_at.is_none() {
            // It was sent by being accepted.
            self.status = DeliveryStatus::Sent;
            self.times.delivered_at = None;
            self.times.read_at = None;
            return self;
        }
        let times = &self.times;
        self.status = match times.scheduled_at {
            Some(_) => DeliveryStatus::Scheduled,
            None => DeliveryStatus::Accepted,
        };
        self.provider_message_id = None;
        self.times = Times {
            scheduled_at: times.first_scheduled_at.or(times.scheduled_at),
            accepted_at: None,
            canceled_at: None,
            sending_at: None,
            unknown_at: None,
            sent_at: None,
            delivered_at: None,
            read_at: None,
            failed_at: None,
            expired_at: None,
            ..self.times
        };
        self
    }
}

/// One call to the provider. Row of `attempt`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AttemptRecord {
    pub number: i64,
    pub outcome: String,
    pub provider_code: Option<String>,
    pub detail: Option<String>,
    #[serde(deserialize_with = "time::column::deserialize")]
    pub started_at: Timestamp,
    #[serde(deserialize_with = "time::column::deserialize")]
    pub ended_at: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;
    use DeliveryStatus as S;

    #[test]
    fn reports_only_move_a_message_forward() {
        assert!(S::Delivered.replaces(S::Sent));
        assert!(!S::Sent.replaces(S::Delivered));
        assert!(!S::Delivered.replaces(S::Delivered));
        assert!(S::Sent.replaces(S::Unknown));
    }

    #[test]
    fn proof_of_arrival_outlives_a_failure_and_nothing_else_does() {
        assert!(S::Delivered.replaces(S::Failed) && S::Read.replaces(S::Failed));
        assert!(!S::Sent.replaces(S::Failed));
        assert!(!S::Failed.replaces(S::Delivered) && !S::Failed.replaces(S::Read));
        assert!(S::Failed.replaces(S::Sent));
        assert!(!S::Read.replaces(S::Expired) && !S::Read.replaces(S::Canceled));
    }
}
