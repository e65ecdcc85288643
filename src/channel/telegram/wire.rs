//! The Bot API's updates.

use super::super::{Inbound, InboundMessage, Sender, lenient};
use crate::model::contact::{Address, Identity, IdentityKind};
use crate::model::content::Content;
use serde_json::Value;

/// The id of a Message object, unique per bot: Telegram counts per chat, so the
/// chat is part of it.
pub fn message_id(message: &Value) -> Option<String> {
    let chat = lenient::integer(message.pointer("/chat/id"))?;
    let id = lenient::integer(message.get("message_id"))?;
    Some(format!("{chat}:{id}"))
}

/// Reads one update. <https://core.telegram.org/bots/api#update>
pub fn read(body: &[u8]) -> Vec<Inbound> {
    let Some(Value::Object(update)) = lenient::json(body) else {
        return vec![Inbound::Ignored("not a JSON object".to_owned())];
    };
    let read: Vec<Inbound> = update
        .iter()
        .filter(|(kind, _)| kind.as_str() != "update_id")
        .map(|(kind, item)| match kind.as_str() {
            "message" | "channel_post" => message(item),
            _ => Inbound::Ignored(format!(
                "update {}",
                kind.chars().take(40).collect::<String>()
            )),
        })
        .collect();
    if read.is_empty() {
        return vec![Inbound::Ignored("nothing in it".to_owned())];
    }
    read
}

/// Content fields of a Message that customers send, by which it is named when
/// it has no form of its own here. An animation is a document too, a venue a location:
/// the first that is there names it. Others are notices of the service.
const CONTENT_FIELDS: [&str; 23] = [
    "animation",
    "venue",
    "audio",
    "checklist",
    "contact",
    "dice",
    "document",
    "game",
    "invoice",
    "live_photo",
    "location",
    "paid_media",
    "photo",
    "poll",
    "rich_message",
    "sticker",
    "story",
    "successful_payment",
    "users_shared",
    "video",
    "video_note",
    "voice",
    "caption",
];

fn message(item: &Value) -> Inbound {
    let Some(provider_message_id) = message_id(item) else {
        return Inbound::Ignored("message without id".to_owned());
    };
    let content = match item.get("text").and_then(Value::as_str) {
        Some(text) => Content::text_of(text),
        None => {
            let field = CONTENT_FIELDS
                .iter()
                .find(|field| item.get(**field).is_some());
            let Some(field) = field else {
                return Inbound::Ignored("service message".to_owned());
            };
            Content::unsupported(*field)
        }
    };
    let Some(from) = sender(item) else {
        return Inbound::Ignored("message without chat".to_owned());
    };
    Inbound::Message(InboundMessage {
        provider_message_id,
        from,
        sent_at: lenient::moment(item.get("date")),
        content,
        reply_to: item.get("reply_to_message").and_then(message_id),
    })
}

/// The chat is who we talk to: a person in private, else the group or channel.
fn sender(item: &Value) -> Option<Sender> {
    let chat = item.get("chat")?;
    let id = lenient::integer(chat.get("id"))?.to_string();
    let name = lenient::text(chat.get("title")).or_else(|| {
        let part = |field: &str| {
            lenient::text(chat.get(field))
                .or_else(|| lenient::text(item.pointer(&format!("/from/{field}"))))
        };
        let name: Vec<String> = [part("first_name"), part("last_name")]
            .into_iter()
            .flatten()
            .collect();
        if name.is_empty() {
            return part("username");
        }
        Some(name.join(" "))
    });
    Some(Sender {
        address: Address(id.clone()),
        name,
        identities: vec![Identity {
            kind: IdentityKind::Telegram,
            value: id,
        }],
    })
}
