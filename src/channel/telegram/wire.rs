//! The Bot API's JSON: `sendMessage`, and updates.

use super::super::{Inbound, InboundMessage, Outbound, Sender, lenient};
use crate::model::contact::{Address, Identity, IdentityKind};
use crate::model::content::Content;
use serde::Serialize;
use serde_json::Value;

/// <https://core.telegram.org/bots/api#sendmessage>
#[derive(Serialize)]
pub struct SendMessage<'a> {
    chat_id: ChatId<'a>,
    text: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    link_preview_options: Option<LinkPreview>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reply_parameters: Option<Reply>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum ChatId<'a> {
    Number(i64),
    Name(&'a str),
}

#[derive(Serialize)]
struct LinkPreview {
    is_disabled: bool,
}

#[derive(Serialize)]
struct Reply {
    message_id: i64,
    /// The answer is worth more than the reference to what it answers.
    allow_sending_without_reply: bool,
}

impl<'a> SendMessage<'a> {
    pub const METHOD: &'static str = "sendMessage";

    pub fn new(send: &'a Outbound<'_>) -> Self {
        let address = send.to.0.as_str();
        let (text, preview_url) = match send.content {
            Content::Text { text, preview_url } => (text.as_str(), *preview_url),
            // Refused before it is stored; an empty text is refused by the provider.
            Content::Template(_) | Content::Unsupported { .. } => ("", None),
        };
        Self {
            chat_id: address
                .parse()
                .map_or(ChatId::Name(address), ChatId::Number),
            text,
            link_preview_options: preview_url.map(|is_wanted| LinkPreview {
                is_disabled: !is_wanted,
            }),
            reply_parameters: send
                .reply_to
                .and_then(|id| id.rsplit(':').next()?.parse().ok())
                .map(|message_id| Reply {
                    message_id,
                    allow_sending_without_reply: true,
                }),
        }
    }
}

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
        Some(text) => Content::Text {
            text: text.to_owned(),
            preview_url: None,
        },
        None => {
            let field = CONTENT_FIELDS
                .iter()
                .find(|field| item.get(**field).is_some());
            let Some(field) = field else {
                return Inbound::Ignored("service message".to_owned());
            };
            Content::Unsupported {
                provider_type: (*field).to_owned(),
            }
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
