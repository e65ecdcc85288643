//! What a customer's message says. <https://core.telegram.org/bots/api#message>

use super::super::{FileRef, lenient};
use crate::model::content::{
    ContactCard, ContactName, ContactPhone, Contacts, Content, Location, Media,
};
use serde_json::Value;

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

/// The content of a message, and where its file is, if it has one; `None` for a notice of
/// the service.
pub fn content(item: &Value) -> Option<(Content, Option<FileRef>)> {
    if let Some(text) = item.get("text").and_then(Value::as_str) {
        return Some((Content::text_of(text), None));
    }
    let field = CONTENT_FIELDS
        .iter()
        .find(|field| item.get(**field).is_some())?;
    let part = item.get(*field).unwrap_or(&Value::Null);
    let read = match *field {
        // The same picture in several sizes, the largest last.
        "photo" => file(
            item,
            part.as_array().and_then(|sizes| sizes.last()),
            Content::Image,
        ),
        "animation" | "video" | "video_note" => file(item, Some(part), Content::Video),
        "audio" | "voice" => file(item, Some(part), Content::Audio),
        "document" => file(item, Some(part), Content::Document),
        "sticker" => file(item, Some(part), Content::Sticker),
        "location" => location(part, None),
        "venue" => location(part.get("location").unwrap_or(part), Some(part)),
        "contact" => contact(part),
        _ => None,
    };
    let unsupported = || (Content::unsupported(*field), None);
    Some(read.unwrap_or_else(unsupported))
}

type Read = Option<(Content, Option<FileRef>)>;

fn file(item: &Value, part: Option<&Value>, content: fn(Media) -> Content) -> Read {
    let part = part?;
    let id = lenient::text(part.get("file_id"))?;
    let media = Media {
        caption: lenient::text(item.get("caption")),
        filename: lenient::text(part.get("file_name")),
        mime_type: lenient::text(part.get("mime_type")).or_else(|| assumed(item)),
        size_bytes: lenient::integer(part.get("file_size")),
        voice: item.get("voice").is_some(),
        ..Media::default()
    };
    Some((content(media), Some(FileRef::Id(id))))
}

/// What Telegram makes of these whatever was sent.
fn assumed(item: &Value) -> Option<String> {
    let sticker = item.get("sticker");
    let is = |flag: &str| {
        let flag = sticker.and_then(|sticker| sticker.get(flag));
        flag.is_some_and(|flag| flag.as_bool() == Some(true) || flag.as_i64() == Some(1))
    };
    let kind = if item.get("photo").is_some() {
        "image/jpeg"
    } else if item.get("video_note").is_some() || is("is_video") {
        "video/mp4"
    } else if sticker.is_some() && !is("is_animated") {
        "image/webp"
    } else {
        return None;
    };
    Some(kind.to_owned())
}

fn location(point: &Value, venue: Option<&Value>) -> Read {
    let told = |name: &str| venue.and_then(|venue| lenient::text(venue.get(name)));
    let location = Location {
        latitude: lenient::number(point.get("latitude"))?,
        longitude: lenient::number(point.get("longitude"))?,
        name: told("title"),
        address: told("address"),
    };
    Some((Content::Location(location), None))
}

fn contact(part: &Value) -> Read {
    let text = |name: &str| lenient::text(part.get(name));
    let (first_name, last_name) = (text("first_name"), text("last_name"));
    let names = [first_name.clone(), last_name.clone()];
    let name = names.into_iter().flatten().collect::<Vec<_>>().join(" ");
    let phone = text("phone_number")?;
    let card = ContactCard {
        name: ContactName {
            formatted_name: if name.is_empty() { phone.clone() } else { name },
            first_name,
            last_name,
        },
        phones: vec![ContactPhone { phone, kind: None }],
        emails: vec![],
        organization: None,
    };
    let contacts = Contacts {
        contacts: vec![card],
    };
    Some((Content::Contacts(contacts), None))
}
