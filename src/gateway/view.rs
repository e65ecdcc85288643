//! The shapes clients and subscribers see: API and events speak alike.

use crate::channel::{Reason, Segments, adapter};
use crate::model::channel::{ChannelKind, ChannelRecord, ChannelStatus, Settings};
use crate::model::contact::{ContactRecord, Identity};
use crate::model::content::Content;
use crate::model::conversation::{ConversationRecord, ConversationStatus, Mode};
use crate::model::id::{ChannelId, ContactId, ConversationId, MessageId};
use crate::model::message::{
    Adapted, AttemptRecord, DeliveryStatus, Direction, MessageError, MessageRecord,
};
use crate::model::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Message {
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
    pub error: Option<MessageError>,
    pub status_history: Vec<StatusAt>,
    pub metadata: Option<Value>,
    pub scheduled_at: Option<Timestamp>,
    pub expires_at: Option<Timestamp>,
    pub created_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub edited_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deleted_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub adapted: Option<Adapted>,
    /// What the provider charges, where it says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pricing: Option<Value>,
    /// Where the provider counts a text in segments.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub segments: Option<Segments>,
    /// While it waits, where the whole story is told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_attempt_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempts: Option<Vec<Attempt>>,
}

#[derive(Serialize)]
pub struct StatusAt {
    pub status: DeliveryStatus,
    pub at: Timestamp,
}

/// One call to the provider.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Attempt {
    pub number: i64,
    pub outcome: String,
    pub provider_code: Option<String>,
    pub detail: Option<String>,
    pub started_at: Timestamp,
    pub ended_at: Timestamp,
}

impl From<AttemptRecord> for Attempt {
    fn from(record: AttemptRecord) -> Self {
        Self {
            number: record.number,
            outcome: record.outcome,
            provider_code: record.provider_code,
            detail: record.detail,
            started_at: record.started_at,
            ended_at: record.ended_at,
        }
    }
}

impl From<MessageRecord> for Message {
    fn from(record: MessageRecord) -> Self {
        Self {
            id: record.id,
            conversation_id: record.conversation_id,
            channel_id: record.channel_id,
            channel_type: record.channel_type,
            contact_id: record.contact_id,
            direction: record.direction,
            status: record.status,
            error: record.error(),
            status_history: record
                .history()
                .into_iter()
                .map(|(status, at)| StatusAt { status, at })
                .collect(),
            segments: adapter(record.channel_type)
                .filter(|_| record.direction == Direction::Outbound)
                .and_then(|adapter| adapter.segments(&record.content)),
            // A sign names the message it is about in its content.
            reply_to: record.reply_to.filter(|_| !record.content.is_sign()),
            content: record.content,
            provider_message_id: record.provider_message_id,
            metadata: record.metadata,
            scheduled_at: record.times.scheduled_at,
            expires_at: record.times.expires_at,
            created_at: record.times.created_at,
            edited_at: record.times.edited_at,
            deleted_at: record.times.deleted_at,
            adapted: record.adapted,
            pricing: record.pricing,
            next_attempt_at: None,
            attempts: None,
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Conversation {
    pub id: ConversationId,
    pub channel_id: ChannelId,
    pub channel_type: ChannelKind,
    pub contact: Contact,
    pub status: ConversationStatus,
    pub mode: Mode,
    pub assignee: Option<String>,
    pub unread_count: i64,
    pub last_inbound_at: Option<Timestamp>,
    pub last_outbound_at: Option<Timestamp>,
    pub window_expires_at: Option<Timestamp>,
    pub can_send_free_form: bool,
    /// While the person wants no messages.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub opted_out_at: Option<Timestamp>,
    pub created_at: Timestamp,
}

#[derive(Clone, Serialize)]
pub struct Contact {
    pub id: ContactId,
    pub name: Option<String>,
    pub address: String,
}

/// A contact with all it is known as.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct KnownContact {
    pub id: ContactId,
    pub name: Option<String>,
    pub identities: Vec<Identity>,
    pub metadata: Option<Value>,
    /// Others that may be the same person, where they were looked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub match_candidates: Option<Vec<Value>>,
    pub created_at: Timestamp,
}

impl From<ContactRecord> for KnownContact {
    fn from(record: ContactRecord) -> Self {
        Self {
            id: record.id,
            name: record.name,
            identities: record.identities,
            metadata: record.metadata,
            match_candidates: None,
            created_at: record.created_at,
        }
    }
}

impl Conversation {
    #[must_use]
    pub fn of(record: ConversationRecord, now: Timestamp) -> Self {
        let window = record.window();
        Self {
            id: record.id,
            channel_id: record.channel_id,
            channel_type: record.channel_type,
            contact: Contact {
                id: record.contact_id,
                name: record.contact_name,
                address: record.address,
            },
            status: record.status,
            mode: record.mode,
            assignee: record.assignee,
            unread_count: record.unread_count,
            last_inbound_at: record.last_inbound_at,
            last_outbound_at: record.last_outbound_at,
            window_expires_at: window.closes_at(record.last_inbound_at),
            can_send_free_form: record.opted_out_at.is_none()
                && window.is_open(record.last_inbound_at, now),
            opted_out_at: record.opted_out_at,
            created_at: record.created_at,
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Channel {
    pub id: ChannelId,
    #[serde(rename = "type")]
    pub kind: ChannelKind,
    pub name: String,
    pub identifier: String,
    pub status: ChannelStatus,
    pub inbound_url: String,
    pub settings: Settings,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public_key: Option<String>,
    pub last_inbound_at: Option<Timestamp>,
    pub last_error: Option<LastError>,
    pub created_at: Timestamp,
}

/// What the provider says of a channel.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ChannelTest {
    pub ok: bool,
    pub problem: Option<ChannelProblem>,
    pub channel: Channel,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ChannelProblem {
    pub code: &'static str,
    pub provider_code: Option<String>,
    pub message: String,
}

impl ChannelTest {
    pub(super) fn of(channel: Channel, problem: &Option<Reason>) -> Self {
        Self {
            ok: problem.is_none(),
            problem: problem.as_ref().map(|reason| ChannelProblem {
                code: reason.code,
                provider_code: reason.provider_code.clone(),
                message: reason.message.clone(),
            }),
            channel,
        }
    }
}

#[derive(Serialize)]
pub struct LastError {
    pub code: String,
    pub at: Timestamp,
}

/// Where a channel's provider is to post.
pub(super) fn inbound_url(public_url: &str, id: ChannelId) -> String {
    format!("{public_url}/inbound/{id}")
}

impl Channel {
    #[must_use]
    pub fn of(record: ChannelRecord, public_url: &str) -> Self {
        let last_error = record
            .last_error_code
            .zip(record.last_error_at)
            .map(|(code, at)| LastError { code, at });
        Self {
            inbound_url: inbound_url(public_url, record.id),
            id: record.id,
            kind: record.kind,
            name: record.name,
            identifier: record.identifier,
            status: record.status,
            settings: record.settings,
            public_key: record.public_key,
            last_inbound_at: record.last_inbound_at,
            last_error,
            created_at: record.created_at,
        }
    }
}

/// What an event keeps: the records as they stood in its transaction, as far as it is about
/// them.
#[derive(Deserialize)]
pub struct Snapshot {
    pub channel: Option<ChannelSummary>,
    pub conversation: Option<ConversationRecord>,
    pub message: Option<MessageRecord>,
    /// Of a merge, the contact that is left, and the id that stands for it now.
    pub contact: Option<ContactRecord>,
    pub merged_contact_id: Option<ContactId>,
    #[serde(default)]
    pub reaction: Option<ReactionRecord>,
    #[serde(flatten)]
    pub told: Told,
}

/// What an event keeps as it is told.
#[derive(Serialize, Deserialize)]
pub struct Told {
    #[serde(skip_serializing_if = "Option::is_none")]
    handover: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    notice: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    template: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    webhook: Option<Value>,
}

#[derive(Serialize, Deserialize)]
pub struct ChannelSummary {
    pub id: ChannelId,
    #[serde(rename = "type")]
    pub kind: ChannelKind,
    pub name: String,
    pub identifier: String,
    /// Where the event is about the channel itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<ChannelStatus>,
    #[serde(
        rename = "lastError",
        default,
        deserialize_with = "told",
        skip_serializing_if = "Option::is_none"
    )]
    pub last_error: Option<Value>,
}

/// A value that is there, if only as `null`.
fn told<'de, D: serde::Deserializer<'de>>(field: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(field).map(Some)
}

/// A reaction as an event's snapshot keeps it.
#[derive(Deserialize)]
pub struct ReactionRecord {
    emoji: String,
    #[serde(deserialize_with = "crate::model::time::column::deserialize")]
    at: Timestamp,
}

/// What somebody thinks of the message; the empty emoji takes it back.
#[derive(Serialize)]
pub struct Reaction {
    emoji: String,
    at: Timestamp,
}

impl From<ReactionRecord> for Reaction {
    fn from(record: ReactionRecord) -> Self {
        Self {
            emoji: record.emoji,
            at: record.at,
        }
    }
}
