//! What a message may hold, and what the phone shows of it.
//!
//! <https://developers.facebook.com/docs/messenger-platform/reference/send-api>
//! <https://developers.facebook.com/docs/instagram-platform/instagram-api-with-instagram-login/messaging-api>

use serde_json::Value;

use super::Platform;
use super::check::is_id;
use super::field::{flag, items, known_keys, text, url};
use super::refusal::{empty_message, invalid, unknown_keys, upload_failed};
use super::template::template;
use crate::graph::Refusal;
use crate::link::extension;
use crate::shown::{Choice, ChoiceSort, Shown};

/// Messenger counts characters.
const MESSENGER_TEXT_CHARACTERS: usize = 2000;
/// Instagram counts bytes.
const INSTAGRAM_TEXT_BYTES: usize = 1000;

/// What a message is, and what the phone shows of it.
pub(super) fn message(platform: Platform, message: &Value) -> Result<Shown, Refusal> {
    let keys: &[&str] = match platform {
        Platform::Messenger => &[
            "text",
            "attachment",
            "quick_replies",
            "metadata",
            "sticker_id",
        ],
        Platform::Instagram => &[
            "text",
            "attachment",
            "attachments",
            "quick_replies",
            "metadata",
        ],
    };
    known_keys(message, "message", keys)?;
    if message.get("metadata").is_some() {
        text(message, "metadata", "message[metadata]", 1000)?;
    }
    let replies = match message.get("quick_replies") {
        Some(replies) => quick_replies(platform, replies)?,
        None => Vec::new(),
    };
    if !replies.is_empty() && platform == Platform::Instagram && message.get("text").is_none() {
        return Err(Refusal::required("message[text]"));
    }
    let contents = ["text", "attachment", "attachments", "sticker_id"];
    let mut contents = contents
        .iter()
        .filter_map(|name| Some((*name, message.get(name)?)));
    let (name, content) = contents.next().ok_or_else(empty_message)?;
    if contents.next().is_some() {
        let message = "Message cannot contain both text and attachment";
        return Err(Refusal::new(100, message).with_subcode(2_018_032));
    }
    let shown = match name {
        "text" => {
            let text = content
                .as_str()
                .ok_or_else(|| invalid("message[text]", "must be a string."))?;
            check_text(platform, text)?;
            Shown::new("text", text)
        }
        "attachment" => attachment(platform, content, "message[attachment]")?,
        "attachments" => {
            let mut images = Vec::new();
            for image in items(content, "message[attachments]", 10)? {
                if image["type"] != "image" {
                    return Err(invalid("message[attachments]", "may only hold images"));
                }
                images.push(attachment(platform, image, "message[attachments]")?.text);
            }
            Shown::new("image", images.join("\n"))
        }
        _ => match content {
            Value::String(id) if is_id(id) => Shown::new("sticker", id),
            Value::Number(id) => Shown::new("sticker", id.to_string()),
            _ => return Err(invalid("message[sticker_id]", "must be a valid ID")),
        },
    };
    let choices = [shown.choices.as_slice(), &replies].concat();
    Ok(shown.with(choices))
}

fn check_text(platform: Platform, text: &str) -> Result<(), Refusal> {
    if text.trim().is_empty() {
        return Err(empty_message());
    }
    let (length, most) = match platform {
        Platform::Messenger => (text.chars().count(), MESSENGER_TEXT_CHARACTERS),
        Platform::Instagram => (text.len(), INSTAGRAM_TEXT_BYTES),
    };
    if length <= most {
        return Ok(());
    }
    let message = format!("Length of param message[text] must be less than or equal to {most}");
    Err(Refusal::new(100, message))
}

fn quick_replies(platform: Platform, replies: &Value) -> Result<Vec<Choice>, Refusal> {
    let parameter = "message[quick_replies]";
    let mut choices = Vec::new();
    for (index, reply) in items(replies, parameter, 13)?.iter().enumerate() {
        let here = format!("{parameter}[{index}]");
        known_keys(
            reply,
            &here,
            &["content_type", "title", "payload", "image_url"],
        )?;
        let kind = text(reply, "content_type", &format!("{here}[content_type]"), 64)?;
        match (kind, platform) {
            ("text", _) => {
                let title = text(reply, "title", &format!("{here}[title]"), 20)?;
                let payload = text(reply, "payload", &format!("{here}[payload]"), 1000)?;
                choices.push(Choice::new(ChoiceSort::QuickReply, title, payload));
            }
            ("user_phone_number" | "user_email", Platform::Messenger) => {}
            _ => {
                return Err(invalid(
                    &format!("{here}[content_type]"),
                    "is not a known type",
                ));
            }
        }
        if reply.get("image_url").is_some() {
            url(reply, "image_url", &format!("{here}[image_url]"))?;
        }
    }
    Ok(choices)
}

fn attachment(platform: Platform, attachment: &Value, parameter: &str) -> Result<Shown, Refusal> {
    known_keys(attachment, parameter, &["type", "payload"])?;
    let kind = text(attachment, "type", &format!("{parameter}[type]"), 64)?;
    let here = format!("{parameter}[payload]");
    let payload = || {
        let payload = attachment
            .get("payload")
            .filter(|payload| payload.is_object());
        payload.ok_or_else(|| Refusal::required(&here))
    };
    match (kind, platform) {
        ("image" | "video" | "audio" | "file", _) => {
            Ok(Shown::new(kind, file(platform, kind, payload()?, &here)?))
        }
        ("template", _) => template(platform, payload()?),
        ("like_heart", Platform::Instagram) if attachment.get("payload").is_none() => {
            Ok(Shown::new(kind, "❤️"))
        }
        ("MEDIA_SHARE", Platform::Instagram) => {
            let payload = payload()?;
            known_keys(payload, &here, &["id"])?;
            Ok(Shown::new(
                kind,
                text(payload, "id", &format!("{here}[id]"), 64)?,
            ))
        }
        _ => {
            let parameter = format!("{parameter}[type]");
            Err(invalid(&parameter, "is not a type that can be sent"))
        }
    }
}

/// A file by its address, or by the id of one that was uploaded before.
fn file<'a>(
    platform: Platform,
    kind: &str,
    payload: &'a Value,
    here: &str,
) -> Result<&'a str, Refusal> {
    known_keys(payload, here, &["url", "attachment_id", "is_reusable"])?;
    flag(payload, "is_reusable", &format!("{here}[is_reusable]"))?;
    if payload.get("attachment_id").is_some() {
        if payload.get("url").is_some() {
            return Err(invalid(
                &format!("{here}[url]"),
                "must not be there beside attachment_id",
            ));
        }
        // Since March 2026, and of images only.
        if platform == Platform::Instagram && kind != "image" {
            return Err(unknown_keys(here, &["attachment_id"]));
        }
        return text(
            payload,
            "attachment_id",
            &format!("{here}[attachment_id]"),
            64,
        );
    }
    let url = url(payload, "url", &format!("{here}[url]"))?;
    // The real one looks at the file; a name that says what it is must say something that fits.
    let fits = match (platform, extension(url)) {
        (Platform::Instagram, Some(extension)) => INSTAGRAM_FILES
            .iter()
            .all(|(name, extensions)| *name != kind || extensions.contains(&extension.as_str())),
        (Platform::Instagram, None) | (Platform::Messenger, _) => true,
    };
    if fits { Ok(url) } else { Err(upload_failed()) }
}

/// What Instagram takes for a file of each type.
const INSTAGRAM_FILES: [(&str, &[&str]); 4] = [
    ("image", &["png", "jpg", "jpeg", "gif"]),
    ("video", &["mp4", "ogg", "avi", "mov", "webm"]),
    ("audio", &["aac", "m4a", "wav", "mp4"]),
    ("file", &["pdf"]),
];
