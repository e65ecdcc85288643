//! What a customer's message says on Messenger and on Instagram.
//! <https://developers.facebook.com/docs/messenger-platform/reference/webhook-events/messages>

use super::file::{self, is_below};
use super::{FileRef, Origins, Reason, SendError, lenient};
use crate::model::channel::Channel;
use crate::model::content::{Content, Location, Media, Reply};
use bytes::Bytes;
use http::{Request, Response};
use serde_json::Value;

/// Its contents, in order: a text, and each attachment. A message has one at least.
pub fn contents(message: &Value) -> Vec<(Content, Option<FileRef>)> {
    let text = lenient::text(message.get("text"));
    let mut read: Vec<(Content, Option<FileRef>)> = Vec::new();
    let has_text = text.is_some();
    if let Some(payload) = lenient::text(message.pointer("/quick_reply/payload")) {
        let title = text.unwrap_or_else(|| payload.clone());
        read.push((pressed(payload, title), None));
    } else {
        read.extend(text.map(|text| (Content::text_of(text), None)));
    }
    let attachments: Vec<&Value> = lenient::items(message.get("attachments")).collect();
    let kind_of = |attachment: &Value| lenient::text(attachment.get("type")).unwrap_or_default();
    let is_sticker = |attachment: &&&Value| kind_of(attachment) == "sticker";
    // For a time a sticker comes as an image too.
    let stickers = attachments.iter().filter(is_sticker).count();
    for attachment in &attachments {
        let kind = kind_of(attachment);
        let has_sticker_id = attachment.pointer("/payload/sticker_id").is_some();
        let is_repeated = kind == "image" && has_sticker_id && stickers > 0;
        // What a link in the text unfolds to.
        let is_preview = kind == "fallback" && has_text;
        if !is_repeated && !is_preview {
            read.push(attached(&kind, has_sticker_id, attachment));
        }
    }
    if read.is_empty() {
        let kind = if message.get("sticker_id").is_some() {
            "sticker"
        } else if message.get("is_unsupported").and_then(Value::as_bool) == Some(true) {
            "unsupported"
        } else {
            "unknown"
        };
        read.push((Content::unsupported(kind), None));
    }
    read
}

/// A button's answer.
pub fn pressed(id: String, title: String) -> Content {
    Content::Reply(Reply {
        id,
        title,
        description: None,
    })
}

fn attached(kind: &str, is_sticker: bool, attachment: &Value) -> (Content, Option<FileRef>) {
    let url = lenient::text(attachment.pointer("/payload/url"));
    let media = Media {
        filename: lenient::text(attachment.get("name")),
        ..Media::default()
    };
    let content = match kind {
        "sticker" => Content::Sticker(media),
        "image" if is_sticker => Content::Sticker(media),
        "image" => Content::Image(media),
        "video" => Content::Video(media),
        "audio" => Content::Audio(media),
        "file" => Content::Document(media),
        "location" => return (location(attachment), None),
        "" => return (Content::unsupported("unknown"), None),
        other => return (Content::unsupported(other), None),
    };
    match url {
        Some(url) => (content, Some(FileRef::Url(url))),
        None => (Content::unsupported(kind), None),
    }
}

fn location(attachment: &Value) -> Content {
    let degree =
        |name: &str| lenient::number(attachment.pointer(&format!("/payload/coordinates/{name}")));
    match (degree("lat"), degree("long")) {
        (Some(latitude), Some(longitude)) => Content::Location(Location {
            latitude,
            longitude,
            name: lenient::text(attachment.get("title")),
            address: None,
        }),
        _ => Content::unsupported("location"),
    }
}

/// Files that customers send lie open at Meta, under addresses that grow old.
pub struct Files;

/// Where Meta keeps them.
const HOSTS: [&str; 4] = ["fbsbx.com", "fbcdn.net", "cdninstagram.com", "facebook.com"];

impl file::Files for Files {
    fn locate(&self, _: &Origins, _: &Channel, _: &str) -> Option<Request<Bytes>> {
        None
    }

    fn located(&self, _: &Response<Bytes>) -> Result<String, SendError> {
        Err(SendError::Rejected(Reason {
            code: "not_found",
            provider_code: None,
            message: "Meta names these files by their address.".to_owned(),
        }))
    }

    /// Without credentials, which nobody asks for.
    fn download(&self, origins: &Origins, _: &Channel, address: &str) -> Option<Request<Bytes>> {
        let is_own = is_below(address, &HOSTS)
            || file::is_at(address, &origins.graph)
            || file::is_at(address, &origins.instagram);
        is_own.then(|| file::get(address, None))?
    }
}
