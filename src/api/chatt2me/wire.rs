//! Chatt2.me's JSON: `{from, to, content}` in, `{messageId, status}` out.

use super::content;
use crate::api::problem::FieldError;
use crate::api::reading::{read, take};
use crate::gateway::{Error, Recipient, Send, Sender};
use crate::model::channel::ChannelKind;
use crate::model::id::{ChannelId, MessageId, VisitorId};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Where the parts of a message stand in the body it was read from.
#[derive(Clone, Debug, Default)]
pub struct Places {
    content: content::Places,
    is_reply_in_content: bool,
}

impl Places {
    /// A field of ours, as this surface's clients know it.
    pub fn of(&self, pointer: &str) -> String {
        if pointer == "/replyTo" && self.is_reply_in_content {
            return "/content/replyTo".to_owned();
        }
        self.content.of(pointer)
    }
}

/// A message as it was read.
#[derive(Debug)]
pub struct Wanted {
    pub send: Send,
    pub places: Places,
    /// What it is, by that product's names.
    pub kind: Option<&'static str>,
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
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Common {
        text: Option<String>,
        reply_to: Option<MessageId>,
    }
    let given = take(&mut json, "content");
    let wire: Wire = read(json, "")?;
    for (pointer, text) in [("/from", &wire.from), ("/to", &wire.to)] {
        if text.trim().is_empty() || text.len() > 255 {
            return Err(Error::invalid(pointer, "must be 1 to 255 characters"));
        }
    }
    let mut given = given.ok_or_else(|| Error::invalid("/content", "is required"))?;
    let common: Common = read(given.clone(), "/content")?;
    let reply_to = common.reply_to;
    let said = content::read(kind, &mut given, common.text)?;
    let places = Places {
        content: said.places,
        is_reply_in_content: reply_to.is_some(),
    };
    for (pointer, named) in [("/content/replyTo", reply_to), ("/replyTo", wire.reply_to)] {
        if named.is_some() {
            content::may_reply(kind, pointer)?;
        }
    }
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
        ..Send::new(from, Recipient::Address(wire.to), said.draft)
    };
    Ok(Wanted {
        send,
        places,
        kind: said.kind,
    })
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
