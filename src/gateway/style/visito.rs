//! Visito's payload: `{channel,conversation,message}`. An incoming message has these
//! three and nothing else; every other event says in `event` which one it is.

use super::{Event, by_kind, phone};
use crate::model::channel::ChannelKind;
use crate::model::conversation::ConversationRecord;
use crate::model::event::EventType;
use crate::model::id::{ChannelId, ConversationId, MessageId};
use crate::model::message::{MessageError, MessageRecord};
use serde::Serialize;
use serde_json::{Map, Value};

#[derive(Serialize)]
pub struct Body {
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<&'static str>,
    channel: Channel,
    conversation: Conversation,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<Message>,
}

#[derive(Serialize)]
struct Channel {
    id: ChannelId,
    #[serde(rename = "type")]
    kind: ChannelKind,
}

/// A conversation, with what its channel knows the person by.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Conversation {
    id: ConversationId,
    full_name: Option<String>,
    #[serde(flatten)]
    known_by: Map<String, Value>,
}

#[derive(Serialize)]
struct Message {
    id: MessageId,
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(flatten)]
    content: Map<String, Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<MessageError>,
}

pub fn body(event: Event) -> Option<Body> {
    let snapshot = event.snapshot;
    let channel = snapshot.channel?;
    let message = match snapshot.message {
        Some(message) => Some(of_message(event.kind, &message)?),
        None => None,
    };
    let is_incoming = event.kind == EventType::MessageReceived;
    Some(Body {
        event: (!is_incoming).then(|| event.kind.name()),
        channel: Channel {
            id: channel.id,
            kind: channel.kind,
        },
        conversation: of_conversation(snapshot.conversation?),
        message,
    })
}

fn of_message(kind: EventType, message: &MessageRecord) -> Option<Message> {
    let status = kind.status();
    Some(Message {
        id: message.id,
        kind: message.content.kind(),
        content: by_kind(&message.content)?,
        status: status.map(|status| status.name()),
        error: message.error().filter(|_| kind == EventType::MessageFailed),
    })
}

fn of_conversation(conversation: ConversationRecord) -> Conversation {
    let kind = conversation.channel_type;
    let (name, value) = match kind {
        // Somebody on WhatsApp without a number to show has no `phone`.
        ChannelKind::Whatsapp | ChannelKind::Sms => ("phone", phone(kind, &conversation.address)),
        ChannelKind::Instagram => ("instagramId", Some(conversation.address)),
        ChannelKind::Messenger => ("psid", Some(conversation.address)),
        ChannelKind::Telegram => ("telegramId", Some(conversation.address)),
        ChannelKind::Webchat => ("sessionId", Some(conversation.address)),
    };
    Conversation {
        id: conversation.id,
        full_name: conversation.contact_name,
        known_by: value
            .map(|value| (name.to_owned(), Value::from(value)))
            .into_iter()
            .collect(),
    }
}
