//! The rules a message of a Page or an Instagram account must keep, checked as strictly as Meta checks them.
//!
//! <https://developers.facebook.com/docs/messenger-platform/reference/send-api>
//! <https://developers.facebook.com/docs/messenger-platform/reference/templates>
//! <https://developers.facebook.com/docs/instagram-platform/instagram-api-with-instagram-login/messaging-api>

use http::HeaderMap;
use serde_json::Value;

use super::Platform;
use super::refusal::{empty_message, invalid, too_few, too_many, unknown_keys};
use crate::graph::{Refusal, is_json};

/// Messenger counts characters.
const MESSENGER_TEXT_CHARACTERS: usize = 2000;
/// Instagram counts bytes.
const INSTAGRAM_TEXT_BYTES: usize = 1000;

pub(super) enum Request {
    Send(Outbound),
    Act { person: String, action: Action },
}

pub(super) struct Outbound {
    pub person: String,
    pub kind: String,
    /// What the phone shows.
    pub text: Option<String>,
    pub reply_to: Option<String>,
    /// Tagged so that it may come up to seven days late.
    pub by_human_agent: bool,
    /// The message as it came.
    pub message: Value,
}

pub(super) enum Action {
    Typing,
    MarkSeen,
    React { message_id: String },
}

/// Reads a body of `POST /{id}/messages`.
pub(super) fn request(
    platform: Platform,
    headers: &HeaderMap,
    body: &Value,
) -> Result<Request, Refusal> {
    let Some(recipient) = body.get("recipient").filter(|_| is_json(headers)) else {
        return Err(Refusal::required("recipient"));
    };
    known_keys(recipient, "recipient", &["id"])?;
    let person = recipient["id"].as_str().filter(|id| is_id(id));
    let person = person
        .ok_or_else(|| invalid("recipient[id]", "must be a valid ID string (e.g., \"123\")"))?
        .to_owned();
    if let Some(action) = body.get("sender_action") {
        if body.get("message").is_some() {
            let message = "Cannot send both message and state at the same time.";
            return Err(Refusal::new(100, message).with_subcode(2_018_006));
        }
        known_keys(body, "body", &["recipient", "sender_action", "payload"])?;
        let action = self::action(platform, action, body.get("payload"))?;
        return Ok(Request::Act { person, action });
    }
    known_keys(
        body,
        "body",
        &[
            "recipient",
            "messaging_type",
            "message",
            "notification_type",
            "tag",
            "reply_to",
        ],
    )?;
    let by_human_agent = by_human_agent(platform, body)?;
    one_of(
        body,
        "notification_type",
        &["REGULAR", "SILENT_PUSH", "NO_PUSH"],
    )?;
    let reply_to = match body.get("reply_to") {
        None => None,
        Some(reply) => {
            known_keys(reply, "reply_to", &["mid"])?;
            Some(text(reply, "mid", "reply_to[mid]", 1000)?.to_owned())
        }
    };
    let message = body
        .get("message")
        .ok_or_else(|| Refusal::new(100, "Must send either message or state"))?;
    let (kind, shown) = message_kind(platform, message)?;
    Ok(Request::Send(Outbound {
        person,
        kind,
        text: shown,
        reply_to,
        by_human_agent,
        message: message.clone(),
    }))
}

fn is_id(id: &str) -> bool {
    !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit())
}

fn action(platform: Platform, action: &Value, payload: Option<&Value>) -> Result<Action, Refusal> {
    let name = action.as_str().unwrap_or_default();
    match (name, payload) {
        ("typing_on" | "typing_off", None) => Ok(Action::Typing),
        ("mark_seen", None) => Ok(Action::MarkSeen),
        ("react" | "unreact", Some(payload)) => {
            known_keys(payload, "payload", &["message_id", "reaction"])?;
            let message_id = text(payload, "message_id", "payload[message_id]", 1000)?;
            if name == "react" {
                let reaction = text(payload, "reaction", "payload[reaction]", 64)?;
                if platform == Platform::Instagram && reaction != "love" {
                    return Err(invalid("payload[reaction]", "must be love"));
                }
            }
            Ok(Action::React {
                message_id: message_id.to_owned(),
            })
        }
        ("typing_on" | "typing_off" | "mark_seen", Some(_)) => {
            Err(unknown_keys("body", &["payload"]))
        }
        ("react" | "unreact", None) => Err(Refusal::required("payload")),
        _ => Err(invalid(
            "sender_action",
            "must be one of {MARK_SEEN, TYPING_ON, TYPING_OFF, REACT, UNREACT}",
        )),
    }
}

/// Messenger wants to know what sort of message it is; Instagram only whether it is tagged.
fn by_human_agent(platform: Platform, body: &Value) -> Result<bool, Refusal> {
    one_of(
        body,
        "messaging_type",
        &["RESPONSE", "UPDATE", "MESSAGE_TAG"],
    )?;
    let kind = body["messaging_type"].as_str();
    if kind.is_none() && platform == Platform::Messenger {
        return Err(Refusal::required("messaging_type"));
    }
    match (kind, body.get("tag")) {
        (Some("RESPONSE" | "UPDATE"), Some(_)) => {
            Err(invalid("tag", "needs the messaging_type MESSAGE_TAG"))
        }
        (Some("MESSAGE_TAG"), None) => Err(Refusal::required("tag")),
        (_, Some(tag)) if tag != "HUMAN_AGENT" => Err(Refusal::new(100, "Invalid tag.")),
        (_, tag) => Ok(tag.is_some()),
    }
}

/// What a message is, and what the phone shows of it.
fn message_kind(platform: Platform, message: &Value) -> Result<(String, Option<String>), Refusal> {
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
    if let Some(replies) = message.get("quick_replies") {
        quick_replies(platform, replies)?;
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
    match name {
        "text" => {
            let text = content
                .as_str()
                .ok_or_else(|| invalid("message[text]", "must be a string."))?;
            check_text(platform, text)?;
            Ok(("text".to_owned(), Some(text.to_owned())))
        }
        "attachment" => attachment(platform, content, "message[attachment]"),
        "attachments" => {
            for image in items(content, "message[attachments]", 10)? {
                if image["type"] != "image" {
                    return Err(invalid("message[attachments]", "may only hold images"));
                }
                attachment(platform, image, "message[attachments]")?;
            }
            Ok(("image".to_owned(), None))
        }
        _ => match content {
            Value::String(id) if is_id(id) => Ok(("sticker".to_owned(), None)),
            Value::Number(_) => Ok(("sticker".to_owned(), None)),
            _ => Err(invalid("message[sticker_id]", "must be a valid ID")),
        },
    }
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

fn quick_replies(platform: Platform, replies: &Value) -> Result<(), Refusal> {
    let parameter = "message[quick_replies]";
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
                text(reply, "title", &format!("{here}[title]"), 20)?;
                text(reply, "payload", &format!("{here}[payload]"), 1000)?;
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
    Ok(())
}

fn attachment(
    platform: Platform,
    attachment: &Value,
    parameter: &str,
) -> Result<(String, Option<String>), Refusal> {
    known_keys(attachment, parameter, &["type", "payload"])?;
    let kind = text(attachment, "type", &format!("{parameter}[type]"), 64)?;
    let here = format!("{parameter}[payload]");
    let payload = || {
        let payload = attachment
            .get("payload")
            .filter(|payload| payload.is_object());
        payload.ok_or_else(|| Refusal::required(&here))
    };
    let shown = match (kind, platform) {
        ("image" | "video" | "audio" | "file", _) => {
            let payload = payload()?;
            known_keys(payload, &here, &["url", "attachment_id", "is_reusable"])?;
            if payload.get("attachment_id").is_some() {
                text(
                    payload,
                    "attachment_id",
                    &format!("{here}[attachment_id]"),
                    64,
                )?;
                None
            } else {
                Some(url(payload, "url", &format!("{here}[url]"))?)
            }
        }
        ("template", _) => Some(template(platform, payload()?)?),
        ("like_heart", Platform::Instagram) => None,
        ("MEDIA_SHARE", Platform::Instagram) => {
            let payload = payload()?;
            known_keys(payload, &here, &["id"])?;
            Some(text(payload, "id", &format!("{here}[id]"), 64)?)
        }
        _ => {
            let parameter = format!("{parameter}[type]");
            return Err(invalid(&parameter, "is not a type that can be sent"));
        }
    };
    Ok((kind.to_owned(), shown.map(str::to_owned)))
}

const TEMPLATE: &str = "message[attachment][payload]";

/// Checks a structured message. Answers its first words.
fn template(platform: Platform, payload: &Value) -> Result<&str, Refusal> {
    match (text(payload, "template_type", TEMPLATE, 64)?, platform) {
        ("generic", _) => {
            known_keys(
                payload,
                TEMPLATE,
                &["template_type", "elements", "image_aspect_ratio"],
            )?;
            one_of(payload, "image_aspect_ratio", &["horizontal", "square"])?;
            let elements = elements(payload, 10)?;
            for element in elements {
                card(platform, element)?;
            }
            let first = elements
                .first()
                .and_then(|element| element["title"].as_str());
            Ok(first.unwrap_or_default())
        }
        ("button", _) => {
            known_keys(payload, TEMPLATE, &["template_type", "text", "buttons"])?;
            let said = text(payload, "text", &format!("{TEMPLATE}[text]"), 640)?;
            let list = payload.get("buttons").unwrap_or(&Value::Null);
            buttons(platform, list)?;
            Ok(said)
        }
        ("media", Platform::Messenger) => {
            known_keys(
                payload,
                TEMPLATE,
                &["template_type", "elements", "sharable"],
            )?;
            for element in elements(payload, 1)? {
                let here = format!("{TEMPLATE}[elements][0]");
                known_keys(
                    element,
                    &here,
                    &["media_type", "attachment_id", "url", "buttons"],
                )?;
                one_of(element, "media_type", &["image", "video"])?;
                text(element, "media_type", &here, 64)?;
                if element.get("attachment_id").is_some() {
                    text(element, "attachment_id", &here, 64)?;
                } else {
                    url(element, "url", &here)?;
                }
                if let Some(list) = element.get("buttons") {
                    buttons(platform, list)?;
                }
            }
            Ok("")
        }
        _ => Err(invalid(
            &format!("{TEMPLATE}[template_type]"),
            "is not a known template",
        )),
    }
}

fn elements(payload: &Value, most: usize) -> Result<&[Value], Refusal> {
    let parameter = format!("{TEMPLATE}[elements]");
    let elements = payload.get("elements").unwrap_or(&Value::Null);
    items(elements, &parameter, most)
}

fn card(platform: Platform, element: &Value) -> Result<(), Refusal> {
    let here = format!("{TEMPLATE}[elements]");
    let more = ["subtitle", "image_url", "default_action", "buttons"];
    known_keys(
        element,
        &here,
        &[
            "title",
            "subtitle",
            "image_url",
            "default_action",
            "buttons",
        ],
    )?;
    text(element, "title", &format!("{here}[title]"), 80)?;
    if !more.iter().any(|name| element.get(name).is_some()) {
        let message = "Incomplete element data: title and at least one other field \
                       (image url, buttons, subtitle) is required with non-empty value";
        return Err(Refusal::new(100, message).with_subcode(2_018_048));
    }
    if element.get("subtitle").is_some() {
        text(element, "subtitle", &format!("{here}[subtitle]"), 80)?;
    }
    if element.get("image_url").is_some() {
        url(element, "image_url", &format!("{here}[image_url]"))?;
    }
    if let Some(action) = element.get("default_action") {
        if action.get("title").is_some() {
            return Err(unknown_keys(&format!("{here}[default_action]"), &["title"]));
        }
        web_url(action, &format!("{here}[default_action]"))?;
    }
    match element.get("buttons") {
        Some(list) => buttons(platform, list),
        None => Ok(()),
    }
}

fn buttons(platform: Platform, list: &Value) -> Result<(), Refusal> {
    let parameter = format!("{TEMPLATE}[buttons]");
    for (index, button) in items(list, &parameter, 3)?.iter().enumerate() {
        let here = format!("{parameter}[{index}]");
        let kind = text(button, "type", &format!("{here}[type]"), 64)?;
        text(button, "title", &format!("{here}[title]"), 20)?;
        match (kind, platform) {
            ("web_url", _) => web_url(button, &here)?,
            ("postback", _) => {
                known_keys(button, &here, &["type", "title", "payload"])?;
                text(button, "payload", &format!("{here}[payload]"), 1000)?;
            }
            ("phone_number", Platform::Messenger) => {
                known_keys(button, &here, &["type", "title", "payload"])?;
                let number = text(button, "payload", &format!("{here}[payload]"), 64)?;
                if !number.starts_with('+') {
                    return Err(invalid(&format!("{here}[payload]"), "must begin with +"));
                }
            }
            _ => return Err(invalid(&format!("{here}[type]"), "is not a known button")),
        }
    }
    Ok(())
}

fn web_url(button: &Value, here: &str) -> Result<(), Refusal> {
    known_keys(
        button,
        here,
        &[
            "type",
            "title",
            "url",
            "webview_height_ratio",
            "messenger_extensions",
            "fallback_url",
            "webview_share_button",
        ],
    )?;
    if button["type"] != "web_url" {
        return Err(invalid(&format!("{here}[type]"), "must be web_url"));
    }
    one_of(button, "webview_height_ratio", &["compact", "tall", "full"])?;
    url(button, "url", &format!("{here}[url]")).map(|_| ())
}

/// An object without a key that is not known.
fn known_keys(value: &Value, parameter: &str, known: &[&str]) -> Result<(), Refusal> {
    let Some(object) = value.as_object() else {
        return Err(invalid(parameter, "must be an object."));
    };
    let odd: Vec<_> = object
        .keys()
        .map(String::as_str)
        .filter(|key| !known.contains(key))
        .collect();
    if odd.is_empty() {
        Ok(())
    } else {
        Err(unknown_keys(parameter, &odd))
    }
}

/// A field that may be left out, but not hold anything else.
fn one_of(part: &Value, name: &str, allowed: &[&str]) -> Result<(), Refusal> {
    match part.get(name) {
        Some(value) if !allowed.iter().any(|allowed| value == allowed) => {
            let why = format!("must be one of {{{}}}", allowed.join(", "));
            Err(invalid(name, &why))
        }
        Some(_) | None => Ok(()),
    }
}

fn items<'a>(list: &'a Value, parameter: &str, most: usize) -> Result<&'a [Value], Refusal> {
    let list = list
        .as_array()
        .ok_or_else(|| invalid(parameter, "must be an array."))?;
    if list.is_empty() {
        return Err(too_few(parameter));
    }
    if list.len() > most {
        return Err(too_many(parameter));
    }
    Ok(list)
}

/// A string of 1 to `most` characters.
fn text<'a>(part: &'a Value, name: &str, parameter: &str, most: usize) -> Result<&'a str, Refusal> {
    let value = part.get(name).ok_or_else(|| Refusal::required(parameter))?;
    let text = value
        .as_str()
        .ok_or_else(|| invalid(parameter, "must be a string."))?;
    if text.is_empty() || text.chars().count() > most {
        let why = format!("must be a string of 1 to {most} characters.");
        return Err(invalid(parameter, &why));
    }
    Ok(text)
}

fn url<'a>(part: &'a Value, name: &str, parameter: &str) -> Result<&'a str, Refusal> {
    let url = text(part, name, parameter, 2000)?;
    if url.starts_with("https://") || url.starts_with("http://") {
        Ok(url)
    } else {
        Err(invalid(parameter, "should represent a valid URL"))
    }
}
