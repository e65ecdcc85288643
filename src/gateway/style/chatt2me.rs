//! Chatt2.me's two payloads: `Message` for what comes in, `MessageStatus` for what becomes
//! of what went out. It has none for other events.

use super::{Event, by_kind};
use crate::model::channel::ChannelKind;
use crate::model::content as model;
use crate::model::event::EventType;
use crate::model::id::{ChannelId, MessageId};
use crate::model::json;
use crate::model::message::{DeliveryStatus, MessageRecord};
use crate::model::time::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value, json};

#[derive(Serialize)]
#[serde(tag = "eventType", rename_all_fields = "camelCase")]
pub enum Body {
    Message {
        channel_id: ChannelId,
        message_id: MessageId,
        /// The address an answer goes to.
        from: String,
        /// Unix seconds, as in the other.
        timestamp: i64,
        channel: &'static str,
        content: Content,
    },
    MessageStatus {
        message_id: MessageId,
        status: &'static str,
        timestamp: i64,
        channel: &'static str,
    },
}

#[derive(Serialize)]
pub struct Content {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(flatten)]
    said: Map<String, Value>,
}

pub fn body(event: Event) -> Option<Body> {
    let message = event.snapshot.message?;
    let channel = channel_name(event.snapshot.channel?.kind);
    match event.kind {
        EventType::MessageReceived => Some(Body::Message {
            channel_id: message.channel_id,
            message_id: message.id,
            from: event.snapshot.conversation?.address,
            timestamp: message.times.created_at.s(),
            channel,
            content: content(&message.content)?,
        }),
        EventType::MessageSent
        | EventType::MessageDelivered
        | EventType::MessageRead
        | EventType::MessageFailed => {
            let status = event.kind.status()?;
            Some(Body::MessageStatus {
                message_id: message.id,
                status: status.name(),
                timestamp: reached_at(&message, status).unwrap_or(event.at).s(),
                channel,
            })
        }
        EventType::MessageUnknown
        | EventType::MessageEdited
        | EventType::MessageDeleted
        | EventType::MessageReaction
        | EventType::ConversationCreated
        | EventType::ConversationUpdated
        | EventType::ConversationHandover
        | EventType::ChannelUpdated
        | EventType::TemplateUpdated
        | EventType::ContactMerged
        | EventType::WebhookDisabled => None,
    }
}

/// What was said. An answer has the form of WhatsApp's.
fn content(content: &model::Content) -> Option<Content> {
    let model::Content::Reply(reply) = content else {
        return Some(Content {
            kind: content.kind(),
            said: by_kind(content)?,
        });
    };
    let chosen = json!({ "id": reply.id, "title": reply.title });
    let answer = json!({ "type": "button_reply", "button_reply": chosen });
    Some(Content {
        kind: "interactive",
        said: json::object([("interactive".to_owned(), answer)]),
    })
}

fn channel_name(kind: ChannelKind) -> &'static str {
    match kind {
        ChannelKind::Webchat => "web-chatt2me",
        ChannelKind::Whatsapp
        | ChannelKind::Instagram
        | ChannelKind::Messenger
        | ChannelKind::Telegram
        | ChannelKind::Sms => kind.name(),
    }
}

/// When the message reached a status, as far as it is known.
fn reached_at(message: &MessageRecord, status: DeliveryStatus) -> Option<Timestamp> {
    let history = message.history();
    let found = history.iter().rfind(|(reached, _)| *reached == status);
    found.map(|(_, at)| *at)
}
