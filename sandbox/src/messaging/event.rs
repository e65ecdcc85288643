//! What Meta posts to the webhook of a Page or an Instagram account.
//!
//! <https://developers.facebook.com/docs/messenger-platform/reference/webhook-events>
//! <https://developers.facebook.com/docs/instagram-platform/webhooks>

use serde_json::{Value, json};

use super::{Inbox, Platform};
use crate::state::now;

/// The app whose messages come back as echoes.
const APP_ID: u64 = 1_821_152_484_774_199;

/// What a person wrote or pressed.
pub(crate) struct Inbound {
    pub message_id: String,
    pub person: String,
    /// The text, or the title of what was pressed. Empty beside files: there is none.
    pub text: String,
    /// Files.
    pub attachments: Vec<Value>,
    pub pressed: Option<Pressed>,
    pub at_ms: i64,
    pub reply_to: Option<String>,
}

/// What a person pressed, with the payload it was sent with.
#[derive(Clone)]
pub(crate) enum Pressed {
    QuickReply(String),
    Button(String),
}

pub(crate) fn inbound(inbox: &Inbox<'_>, inbound: &Inbound) -> Value {
    if let Some(Pressed::Button(payload)) = &inbound.pressed {
        let postback = json!({
            "mid": inbound.message_id,
            "title": inbound.text,
            "payload": payload,
        });
        return from_person(inbox, &inbound.person, inbound.at_ms, "postback", postback);
    }
    let mut message = json!({"mid": inbound.message_id});
    if !inbound.text.is_empty() || inbound.attachments.is_empty() {
        message["text"] = json!(inbound.text);
    }
    if !inbound.attachments.is_empty() {
        message["attachments"] = json!(inbound.attachments);
    }
    if let Some(Pressed::QuickReply(payload)) = &inbound.pressed {
        message["quick_reply"] = json!({"payload": payload});
    }
    if let Some(mid) = &inbound.reply_to {
        message["reply_to"] = json!({"mid": mid});
    }
    from_person(inbox, &inbound.person, inbound.at_ms, "message", message)
}

/// Everything up to the watermark has arrived.
pub(crate) fn delivery(inbox: &Inbox<'_>, person: &str, message_id: &str, at_ms: i64) -> Value {
    let delivery = json!({"mids": [message_id], "watermark": at_ms});
    from_person(inbox, person, at_ms, "delivery", delivery)
}

/// On Messenger everything up to the watermark was seen; on Instagram everything up to a message.
pub(crate) fn read(inbox: &Inbox<'_>, person: &str, message_id: &str, at_ms: i64) -> Value {
    let read = match inbox.platform {
        Platform::Messenger => json!({"watermark": at_ms}),
        Platform::Instagram => json!({"mid": message_id}),
    };
    from_person(inbox, person, at_ms, "read", read)
}

/// A message of the business, as its own webhook gets it.
pub(super) fn echo(inbox: &Inbox<'_>, person: &str, message_id: &str, sent: &Value) -> Value {
    let at_ms = now().timestamp_millis();
    let mut message = json!({"mid": message_id, "is_echo": true});
    if inbox.platform == Platform::Messenger {
        message["app_id"] = json!(APP_ID);
    }
    for name in ["text", "metadata", "attachments"] {
        if let Some(value) = sent.get(name) {
            message[name] = value.clone();
        }
    }
    if let Some(attachment) = sent.get("attachment") {
        message["attachments"] = json!([attachment]);
    }
    let echo = json!({
        "sender": {"id": inbox.id},
        "recipient": {"id": person},
        "timestamp": at_ms,
        "message": message,
    });
    envelope(inbox, at_ms, echo)
}

fn from_person(inbox: &Inbox<'_>, person: &str, at_ms: i64, name: &str, part: Value) -> Value {
    let event = json!({
        "sender": {"id": person},
        "recipient": {"id": inbox.id},
        "timestamp": at_ms,
        name: part,
    });
    envelope(inbox, at_ms, event)
}

fn envelope(inbox: &Inbox<'_>, at_ms: i64, event: Value) -> Value {
    let object = match inbox.platform {
        Platform::Messenger => "page",
        Platform::Instagram => "instagram",
    };
    json!({
        "object": object,
        "entry": [{"id": inbox.id, "time": at_ms, "messaging": [event]}],
    })
}
