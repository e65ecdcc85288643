//! What a customer's message says. <https://core.telegram.org/bots/api#message>

use super::super::{FileRef, lenient};
use super::vcard;
use crate::model::content::{
    ContactCard, ContactName, ContactPhone, Contacts, Content, Location, Media, Reply,
};
use serde_json::Value;

/// Content fields of a Message that have a form here. An animation is a document too, a venue
/// a location, a live photo a photo: the first that is there is read.
const CONTENT_FIELDS: [&str; 14] = [
    "animation",
    "venue",
    "live_photo",
    "audio",
    "contact",
    "document",
    "location",
    "photo",
    "sticker",
    "video",
    "video_note",
    "voice",
    "rich_message",
    "web_app_data",
];

/// What stands around a content, and says nothing of its kind.
const AROUND: [&str; 46] = [
    "message_id",
    "message_thread_id",
    "direct_messages_topic",
    "from",
    "sender_chat",
    "sender_boost_count",
    "sender_business_bot",
    "sender_tag",
    "date",
    "guest_query_id",
    "business_connection_id",
    "chat",
    "forward_origin",
    // The older names of what is in it.
    "forward_from",
    "forward_from_chat",
    "forward_from_message_id",
    "forward_signature",
    "forward_sender_name",
    "forward_date",
    "is_topic_message",
    "is_automatic_forward",
    "reply_to_message",
    "external_reply",
    "quote",
    "reply_to_story",
    "reply_to_checklist_task_id",
    "reply_to_poll_option_id",
    "via_bot",
    "guest_bot_caller_user",
    "guest_bot_caller_chat",
    "edit_date",
    "has_protected_content",
    "is_from_offline",
    "is_paid_post",
    "media_group_id",
    "author_signature",
    "paid_star_count",
    "text",
    "entities",
    "link_preview_options",
    "suggested_post_info",
    "effect_id",
    "caption_entities",
    "show_caption_above_media",
    "has_media_spoiler",
    "reply_markup",
];

/// Notices of the service.
const NOTICES: [&str; 34] = [
    "new_chat_members",
    "new_chat_member",
    "new_chat_participant",
    "left_chat_member",
    "left_chat_participant",
    "chat_owner_left",
    "chat_owner_changed",
    "new_chat_title",
    "new_chat_photo",
    "delete_chat_photo",
    "group_chat_created",
    "supergroup_chat_created",
    "channel_chat_created",
    "message_auto_delete_timer_changed",
    "migrate_to_chat_id",
    "pinned_message",
    "connected_website",
    "write_access_allowed",
    "proximity_alert_triggered",
    "boost_added",
    "chat_background_set",
    "direct_message_price_changed",
    "paid_message_price_changed",
    "managed_bot_created",
    "forum_topic_created",
    "forum_topic_edited",
    "forum_topic_closed",
    "forum_topic_reopened",
    "general_forum_topic_hidden",
    "general_forum_topic_unhidden",
    "video_chat_scheduled",
    "video_chat_started",
    "video_chat_ended",
    "video_chat_participants_invited",
];

/// The content of a message, and where its file is, if it has one; `None` for a notice of
/// the service.
pub fn content(item: &Value) -> Option<(Content, Option<FileRef>)> {
    if let Some(text) = item.get("text").and_then(Value::as_str) {
        return Some((Content::text_of(text), None));
    }
    let is_told = |field: &&str| has(item, field);
    let Some(field) = CONTENT_FIELDS.iter().copied().find(is_told) else {
        // Words are worth more than the name of what they stood under.
        if let Some(caption) = lenient::text(item.get("caption")) {
            return Some((Content::text_of(caption), None));
        }
        if NOTICES.iter().any(|field| has(item, field)) {
            return None;
        }
        let mut told = item.as_object()?.iter().filter(|(_, part)| !part.is_null());
        let (field, _) = told.find(|(field, _)| !AROUND.contains(&field.as_str()))?;
        let field: String = field.chars().take(40).collect();
        return Some((Content::unsupported(field), None));
    };
    let part = item.get(field).unwrap_or(&Value::Null);
    // The same picture in several sizes, the largest last.
    let largest = |sizes: &Value| sizes.as_array().and_then(|sizes| sizes.last()).cloned();
    let read = match field {
        "photo" => file(item, largest(part).as_ref(), Content::Image),
        "live_photo" => {
            let photo = part.get("photo").or_else(|| item.get("photo"));
            file(item, photo.and_then(largest).as_ref(), Content::Image)
        }
        "animation" | "video" | "video_note" => file(item, Some(part), Content::Video),
        "audio" | "voice" => file(item, Some(part), Content::Audio),
        "document" => file(item, Some(part), Content::Document),
        "sticker" => file(item, Some(part), Content::Sticker),
        "location" => location(part, None),
        "venue" => location(part.get("location").unwrap_or(part), Some(part)),
        "contact" => contact(part),
        "rich_message" => rich(part),
        "web_app_data" => web_app(part),
        _ => None,
    };
    let unsupported = || (Content::unsupported(field), None);
    Some(read.unwrap_or_else(unsupported))
}

fn has(item: &Value, field: &str) -> bool {
    item.get(field).is_some_and(|part| !part.is_null())
}

/// The words of a message made of blocks, a line each.
/// <https://core.telegram.org/bots/api#richmessage>
fn rich(part: &Value) -> Read {
    let mut words = String::new();
    lines(part.get("blocks")?, true, &mut words);
    let words = words.trim();
    (!words.is_empty()).then(|| (Content::text_of(words), None))
}

/// Where words stand in a block, in the order they are read.
const WORDS: [&str; 9] = [
    "summary",
    "text",
    "alternative_text",
    "expression",
    "cells",
    "items",
    "blocks",
    "caption",
    "credit",
];

fn lines(part: &Value, ends_line: bool, words: &mut String) {
    match part {
        Value::String(text) => words.push_str(text),
        Value::Array(parts) => {
            for part in parts {
                lines(part, ends_line, words);
            }
        }
        Value::Object(fields) => {
            for (field, part) in WORDS
                .iter()
                .filter_map(|field| fields.get_key_value(*field))
            {
                let is_block = ["cells", "items", "blocks"].contains(&field.as_str());
                if is_block && !words.is_empty() && !words.ends_with('\n') {
                    words.push('\n');
                }
                lines(part, is_block, words);
            }
            if ends_line && !words.ends_with('\n') {
                words.push('\n');
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// What a customer's web app gave back, by the button that opened it.
fn web_app(part: &Value) -> Read {
    let data = lenient::text(part.get("data"))?;
    let reply = Reply {
        title: lenient::text(part.get("button_text")).unwrap_or_else(|| data.clone()),
        id: data,
        description: None,
    };
    Some((Content::Reply(reply), None))
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
        voice: has(item, "voice"),
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
    let is_photo = has(item, "photo") || has(item, "live_photo");
    let kind = if is_photo {
        "image/jpeg"
    } else if has(item, "video_note") {
        "video/mp4"
    } else if is("is_video") {
        "video/webm"
    } else if is("is_animated") {
        "application/x-tgsticker"
    } else if has(item, "sticker") {
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

/// The addresses behind words, which the words do not show.
pub fn links(item: &Value) -> Option<Value> {
    let entities = ["entities", "caption_entities"].into_iter();
    let entities = entities.flat_map(|name| lenient::items(item.get(name)));
    let links: Vec<Value> = entities
        .filter(|entity| lenient::text(entity.get("type")).as_deref() == Some("text_link"))
        .filter_map(|entity| entity.get("url").cloned())
        .collect();
    (!links.is_empty()).then_some(Value::Array(links))
}

fn contact(part: &Value) -> Read {
    let text = |name: &str| lenient::text(part.get(name));
    let (first_name, last_name) = (text("first_name"), text("last_name"));
    let names = [first_name.clone(), last_name.clone()];
    let name = names.into_iter().flatten().collect::<Vec<_>>().join(" ");
    let phone = text("phone_number")?;
    let more = vcard::read(part.get("vcard").and_then(Value::as_str).unwrap_or(""));
    let mut phones = more.phones;
    let digits = lenient::digits(&phone);
    if !phones
        .iter()
        .any(|more| lenient::digits(&more.phone) == digits)
    {
        let phone = phone.clone();
        phones.insert(0, ContactPhone { phone, kind: None });
    }
    let card = ContactCard {
        name: ContactName {
            formatted_name: if name.is_empty() { phone } else { name },
            first_name,
            last_name,
        },
        phones,
        emails: more.emails,
        organization: more.organization,
    };
    let contacts = Contacts {
        contacts: vec![card],
    };
    Some((Content::Contacts(contacts), None))
}
