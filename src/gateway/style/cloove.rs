//! Cloove's envelope, `{id,type,created,environment,data}`, around the conversation and
//! message of its Messaging API.

use super::{Event, phone};
use crate::gateway::view::{ChannelSummary, KnownContact, Told};
use crate::model::access::Environment;
use crate::model::conversation::{ConversationRecord, ConversationStatus, Mode};
use crate::model::id::{ContactId, ConversationId, EventId, MessageId, WorkspaceId};
use crate::model::message::{DeliveryStatus, Direction, MessageRecord};
use crate::model::time::Timestamp;
use serde::Serialize;

#[derive(Serialize)]
pub struct Body {
    id: String,
    #[serde(rename = "type")]
    kind: &'static str,
    created: Timestamp,
    environment: Environment,
    data: Data,
}

#[derive(Serialize)]
struct Data {
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<Message>,
    #[serde(skip_serializing_if = "Option::is_none")]
    conversation: Option<Conversation>,
    /// Where the event is about no conversation.
    #[serde(skip_serializing_if = "Option::is_none")]
    channel: Option<ChannelSummary>,
    #[serde(flatten)]
    told: Told,
    #[serde(skip_serializing_if = "Option::is_none")]
    contact: Option<KnownContact>,
    #[serde(rename = "mergedContactId", skip_serializing_if = "Option::is_none")]
    merged_contact_id: Option<ContactId>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Message {
    id: MessageId,
    conversation_id: ConversationId,
    direction: Direction,
    message_type: &'static str,
    text: Option<String>,
    delivery_status: &'static str,
    created_at: Timestamp,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Conversation {
    id: ConversationId,
    business_id: WorkspaceId,
    /// `None` on channels that know people by no number.
    customer_phone: Option<String>,
    customer_name: Option<String>,
    status: ConversationStatus,
    mode: Mode,
    unread_count: i64,
    last_inbound_at: Option<Timestamp>,
    last_outbound_at: Option<Timestamp>,
}

/// An event's id in Cloove's spelling.
pub fn event_id(id: EventId) -> String {
    format!("evt_{id}")
}

pub fn body(event: Event) -> Body {
    let snapshot = event.snapshot;
    Body {
        id: event_id(event.id),
        kind: event.kind.name(),
        created: event.at,
        environment: event.environment,
        data: Data {
            message: snapshot.message.as_ref().map(of_message),
            channel: snapshot.channel.filter(|_| snapshot.conversation.is_none()),
            conversation: snapshot
                .conversation
                .map(|record| of_conversation(event.workspace_id, record)),
            told: snapshot.told,
            contact: snapshot.contact.map(KnownContact::from),
            merged_contact_id: snapshot.merged_contact_id,
        },
    }
}

fn of_message(message: &MessageRecord) -> Message {
    Message {
        id: message.id,
        conversation_id: message.conversation_id,
        direction: message.direction,
        message_type: message.content.kind(),
        text: message.content.text().map(str::to_owned),
        delivery_status: delivery_status(message.status),
        created_at: message.times.created_at,
    }
}

/// How far a message has come, in Cloove's words.
pub fn delivery_status(status: DeliveryStatus) -> &'static str {
    match status {
        DeliveryStatus::Scheduled
        | DeliveryStatus::Accepted
        | DeliveryStatus::Sending
        | DeliveryStatus::Unknown => "pending",
        DeliveryStatus::Sent => "sent",
        DeliveryStatus::Received | DeliveryStatus::Delivered => "delivered",
        DeliveryStatus::Read => "read",
        DeliveryStatus::Failed | DeliveryStatus::Canceled | DeliveryStatus::Expired => "failed",
    }
}

fn of_conversation(workspace: WorkspaceId, conversation: ConversationRecord) -> Conversation {
    Conversation {
        id: conversation.id,
        business_id: workspace,
        customer_phone: phone(conversation.channel_type, &conversation.address),
        customer_name: conversation.contact_name,
        status: conversation.status,
        mode: conversation.mode,
        unread_count: conversation.unread_count,
        last_inbound_at: conversation.last_inbound_at,
        last_outbound_at: conversation.last_outbound_at,
    }
}
