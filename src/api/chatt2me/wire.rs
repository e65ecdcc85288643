//! Chatt2.me's JSON: `{from, to, content}` in, `{messageId, status}` out.

use crate::api::problem::FieldError;
use crate::api::reading::{read, take};
use crate::api::template;
use crate::channel::Invalid;
use crate::gateway::{Draft, Error, Recipient, Send, Sender};
use crate::model::channel::ChannelKind;
use crate::model::content::Content;
use crate::model::id::{ChannelId, MessageId, VisitorId};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The fields of `content` that each make a message by themselves; `text` does too.
const MAIN: [&str; 14] = [
    "imageUrl",
    "videoUrl",
    "audioUrl",
    "documentUrl",
    "stickerUrl",
    "location",
    "contact",
    "contacts",
    "interactive",
    "template",
    "reaction",
    "markSeen",
    "paymentRequest",
    "orderStatus",
];

/// Beside these, `text` is a caption.
const CAPTIONED: [&str; 4] = ["imageUrl", "videoUrl", "audioUrl", "documentUrl"];

/// The older fields of Messenger and Instagram.
const OLDER: [&str; 5] = [
    "attachment",
    "attachments",
    "quick_replies",
    "sender_action",
    "payload",
];

/// Where the parts of a message stand in the body it was read from.
#[derive(Clone, Copy, Debug, Default)]
pub struct Places {
    is_template: bool,
    is_reply_in_content: bool,
}

impl Places {
    /// A field of ours, as this surface's clients know it.
    pub fn of(self, pointer: &str) -> String {
        if pointer == "/replyTo" && self.is_reply_in_content {
            return "/content/replyTo".to_owned();
        }
        match pointer.strip_prefix("/content") {
            Some("/type") if !self.is_template => "/content".to_owned(),
            Some("" | "/type") if self.is_template => "/content/template".to_owned(),
            Some(rest) if self.is_template => format!("/content/template{rest}"),
            Some(_) | None => pointer.to_owned(),
        }
    }
}

/// A message as it was read.
#[derive(Debug)]
pub struct Wanted {
    pub send: Send,
    pub places: Places,
}

/// Reads a message for a channel of a type.
pub fn send(kind: ChannelKind, mut json: Value) -> Result<Wanted, Error> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Wire {
        from: String,
        to: String,
        reply_to: Option<MessageId>,
    }
    let given = take(&mut json, "content");
    let wire: Wire = read(json, "")?;
    for (pointer, text) in [("/from", &wire.from), ("/to", &wire.to)] {
        if text.trim().is_empty() || text.len() > 255 {
            return Err(Error::invalid(pointer, "must be 1 to 255 characters"));
        }
    }
    let (content, reply_to) = content(kind, given)?;
    let places = Places {
        is_template: matches!(content, Draft::Template(_)),
        is_reply_in_content: reply_to.is_some(),
    };
    if reply_to.is_some() && wire.reply_to.is_some() && reply_to != wire.reply_to {
        return Err(Error::invalid(
            "/replyTo",
            "is another message than the content's",
        ));
    }
    if kind == ChannelKind::Webchat {
        named_by_ids_alone(&wire.from, &wire.to)?;
    }
    let from = Sender {
        name: Some(wire.from),
        kind: Some(kind),
        or_account: kind == ChannelKind::Messenger,
    };
    let send = Send {
        reply_to: reply_to.or(wire.reply_to),
        ..Send::new(from, Recipient::Address(wire.to), content)
    };
    Ok(Wanted { send, places })
}

/// A web chat has no name but its id, and a visitor none but theirs: what is no id is
/// nobody's.
fn named_by_ids_alone(from: &str, to: &str) -> Result<(), Error> {
    let nobody = |what, pointer: &str| Error::NotFound {
        what,
        pointer: Some(pointer.to_owned()),
    };
    if ChannelId::parse(from).is_none() {
        return Err(nobody("channel", "/from"));
    }
    if VisitorId::parse(to.trim()).is_none() {
        return Err(nobody("visitor", "/to"));
    }
    Ok(())
}

/// Reads what a message says, and the message that it answers.
fn content(kind: ChannelKind, given: Option<Value>) -> Result<(Draft, Option<MessageId>), Error> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Common {
        text: Option<String>,
        reply_to: Option<MessageId>,
    }
    let mut given = given.ok_or_else(|| Error::invalid("/content", "is required"))?;
    let common: Common = read(given.clone(), "/content")?;
    let is_given = |field: &str| given.get(field).is_some_and(|value| !value.is_null());
    let takes_older = matches!(kind, ChannelKind::Messenger | ChannelKind::Instagram);
    let older = OLDER.into_iter().find(|field| is_given(field));
    if let Some(field) = older.filter(|_| takes_older) {
        return Err(unsupported(field, "cannot be sent yet"));
    }
    let mut main = MAIN.into_iter().filter(|field| is_given(field));
    let (first, second) = (main.next(), main.next());
    let draft = match (first, second, common.text) {
        (None, _, Some(text)) => Draft::Content(Content::Text {
            text,
            preview_url: None,
        }),
        (None, _, None) => {
            return Err(Error::invalid(
                "/content",
                format!("must have one of text, {}", MAIN.join(", ")),
            ));
        }
        (Some(first), Some(second), _) => return Err(beside(first, second)),
        (Some(field), None, Some(_)) if !CAPTIONED.contains(&field) => {
            return Err(beside(field, "text"));
        }
        (Some("template"), None, _) if kind == ChannelKind::Whatsapp => {
            let template = take(&mut given, "template").unwrap_or_default();
            Draft::Template(template::draft(template, "/content/template")?)
        }
        (Some("template"), None, _) => {
            return Err(unsupported("template", "can be sent on WhatsApp only"));
        }
        (Some(field), None, _) => return Err(unsupported(field, "cannot be sent yet")),
    };
    Ok((draft, common.reply_to))
}

fn unsupported(field: &str, detail: &str) -> Error {
    Error::UnsupportedContent(Invalid::new(format!("/content/{field}"), detail))
}

fn beside(first: &str, second: &str) -> Error {
    Error::invalid(
        format!("/content/{second}"),
        format!("cannot be given beside {first}: a message has one content"),
    )
}

/// The answer to a message that was taken, or that its provider refused.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Answer<'a> {
    pub message_id: Option<MessageId>,
    pub status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_message: Option<&'a str>,
    /// The provider's own, or ours where it gave none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_code: Option<&'a str>,
    /// Messenger and Instagram: who was written to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recipient_id: Option<&'a str>,
    /// Messenger and Instagram: what it is, by that product's names.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<&'static str>,
}

/// A refusal of ours.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Problem<'a> {
    /// Always `null`: no message was made.
    pub message_id: Option<MessageId>,
    pub status: &'static str,
    pub error_message: &'a str,
    pub error_code: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError<'a>>,
    pub request_id: &'a str,
}

/// Chatt2.me's name of a content, as on Messenger and Instagram.
pub fn kind_of(content: &Content) -> Option<&'static str> {
    match content {
        Content::Text { .. } => Some("Text"),
        Content::Template(_) => Some("Template"),
        Content::Unsupported { .. } => None,
    }
}
