//! The older fields of Messenger and Instagram: Meta's own `attachment`, `quick_replies`
//! and `sender_action`.

use super::content::{Said, beside, kind_of, unsupported};
use crate::api::content::{self, of};
use crate::api::reading::take;
use crate::gateway::{Draft, Error};
use crate::model::channel::ChannelKind;
use crate::model::content::{Content, LIKE_HEART};
use serde_json::{Value, json};

/// `payload` belongs to `sender_action`.
const FIELDS: [&str; 5] = [
    "attachment",
    "attachments",
    "quick_replies",
    "sender_action",
    "payload",
];

/// Whether a content is written in these fields. They are nobody else's.
pub fn is_given(kind: ChannelKind, given: &Value) -> bool {
    matches!(kind, ChannelKind::Messenger | ChannelKind::Instagram)
        && FIELDS
            .iter()
            .any(|field| given.get(*field).is_some_and(|value| !value.is_null()))
}

/// Where the parts of a message stand.
#[derive(Clone, Debug)]
pub enum Places {
    /// An attachment's: in this field.
    Attachment(String),
    /// Several attachments', by their place, and a text behind them.
    Attachments(usize),
    QuickReplies,
    Action,
}

impl Places {
    /// A field of ours below `/content`.
    pub fn of(&self, rest: &str) -> String {
        match self {
            Places::Attachment(field) => format!("/{field}{}", attachment_pointer(rest)),
            Places::Attachments(count) => {
                let (at, rest) = rest
                    .trim_start_matches('/')
                    .split_once('/')
                    .unwrap_or((rest, ""));
                match at.parse::<usize>() {
                    Ok(at) if at < *count => {
                        format!(
                            "/attachments/{at}{}",
                            attachment_pointer(&format!("/{rest}"))
                        )
                    }
                    Ok(_) => "/text".to_owned(),
                    Err(_) => "/attachments".to_owned(),
                }
            }
            Places::QuickReplies => match rest.strip_prefix("/buttons") {
                Some(rest) => format!("/quick_replies{}", rest.replace("/id", "/payload")),
                None if rest == "/body" => "/text".to_owned(),
                None => rest.to_owned(),
            },
            Places::Action => match rest {
                "/messageId" => "/payload/message_id".to_owned(),
                "/emoji" => "/payload/reaction".to_owned(),
                _ => "/sender_action".to_owned(),
            },
        }
    }
}

fn attachment_pointer(rest: &str) -> String {
    let rest = rest
        .replace("/cards", "/elements")
        .replace("/imageUrl", "/image_url")
        .replace("/body", "/text")
        .replace("/id", "/payload");
    match rest.as_str() {
        "/type" | "/kind" | "/" => "/type".to_owned(),
        _ => format!("/payload{rest}"),
    }
}

/// Reads a content that is written in these fields.
pub fn read(given: &mut Value, text: Option<String>) -> Result<Said, Error> {
    let [attachment, attachments, replies, action, payload] =
        FIELDS.map(|field| take(given, field).filter(|value| !value.is_null()));
    if let Some(action) = action {
        let others = [
            ("attachment", attachment.is_some()),
            ("attachments", attachments.is_some()),
            ("quick_replies", replies.is_some()),
            ("text", text.is_some()),
        ];
        if let Some((other, _)) = others.iter().find(|(_, is_given)| *is_given) {
            return Err(beside("sender_action", other));
        }
        return said(sign(&action, payload.as_ref())?, Places::Action);
    }
    match (attachment, attachments, replies) {
        (Some(_), Some(_), _) => Err(beside("attachment", "attachments")),
        (Some(_), None, Some(_)) => Err(beside("attachment", "quick_replies")),
        (None, Some(_), Some(_)) => Err(beside("attachments", "quick_replies")),
        (Some(only), None, None) => match text {
            None => one(&only, "attachment".to_owned()),
            Some(text) => several(vec![only], Some(text)),
        },
        (None, Some(Value::Array(mut all)), None) => match (all.len(), text) {
            (0, _) => Err(Error::invalid("/content/attachments", "must not be empty")),
            (1, None) => one(&all.remove(0), "attachments/0".to_owned()),
            (2..=10, text) | (1, text) => several(all, text),
            _ => Err(Error::invalid("/content/attachments", "must be at most 10")),
        },
        (None, Some(_), None) => Err(Error::invalid("/content/attachments", "must be an array")),
        (None, None, Some(replies)) => quick_replies(&replies, text),
        (None, None, None) => Err(Error::invalid(
            "/content/payload",
            "belongs to a sender_action",
        )),
    }
}

fn said(json: Value, places: Places) -> Result<Said, Error> {
    let places = super::content::Places::Older(places);
    let content = content::read(json).map_err(|error| error.repointed(|it| places.of(it)))?;
    Ok(Said {
        kind: kind_of(&content),
        draft: content.into(),
        places,
    })
}

fn one(attachment: &Value, field: String) -> Result<Said, Error> {
    said(
        of_attachment(attachment, &field)?,
        Places::Attachment(field),
    )
}

/// Attachments are a message each, and so is a text.
fn several(attachments: Vec<Value>, text: Option<String>) -> Result<Said, Error> {
    let places = super::content::Places::Older(Places::Attachments(attachments.len()));
    let mut contents: Vec<Content> = Vec::new();
    for (at, attachment) in attachments.iter().enumerate() {
        let field = format!("attachments/{at}");
        let Said { draft, .. } = one(attachment, field)?;
        if let Draft::Content(content) = draft {
            contents.push(content);
        }
    }
    contents.extend(text.map(Content::text_of));
    Ok(Said {
        kind: contents.first().and_then(kind_of),
        draft: Draft::Several(contents),
        places,
    })
}

fn of_attachment(attachment: &Value, field: &str) -> Result<Value, Error> {
    let at = |rest: &str| format!("/content/{field}{rest}");
    if !attachment.is_object() {
        return Err(Error::invalid(at(""), "must be an object"));
    }
    let kind = attachment.get("type").and_then(Value::as_str).unwrap_or("");
    let payload = attachment.get("payload").unwrap_or(&Value::Null);
    let file = |kind: &str| {
        let url = payload.get("url").cloned();
        if url.is_none() && payload.get("attachment_id").is_some() {
            let field = format!("{field}/payload/attachment_id");
            return Err(unsupported(&field, "cannot be sent; give its url"));
        }
        Ok(of(kind, [("url", url)]))
    };
    match kind {
        "image" | "video" | "audio" => file(kind),
        "file" => file("document"),
        LIKE_HEART => Ok(of("sticker", [("url", Some(json!(LIKE_HEART)))])),
        "template" => of_template(payload, field),
        _ => Err(Error::invalid(
            at("/type"),
            "must be one of image, video, audio, file, template and like_heart",
        )),
    }
}

fn of_template(payload: &Value, field: &str) -> Result<Value, Error> {
    let name = payload.get("template_type").and_then(Value::as_str);
    match name.unwrap_or("") {
        "generic" => {
            let elements = payload.get("elements").map(|elements| match elements {
                Value::Array(elements) => elements.iter().map(element).collect(),
                other => other.clone(),
            });
            Ok(of("cards", [("cards", elements)]))
        }
        "button" => {
            let buttons = payload.get("buttons").map(|buttons| match buttons {
                Value::Array(buttons) => buttons
                    .iter()
                    .map(|button| {
                        json!({
                            "title": button.get("title"), "id": button.get("payload"),
                            "url": button.get("url"),
                        })
                    })
                    .collect(),
                other => other.clone(),
            });
            Ok(of(
                "interactive",
                [
                    ("kind", Some(json!("buttons"))),
                    ("body", payload.get("text").cloned()),
                    ("buttons", buttons),
                ],
            ))
        }
        _ => Err(Error::invalid(
            format!("/content/{field}/payload/template_type"),
            "must be generic or button",
        )),
    }
}

fn element(element: &Value) -> Value {
    let buttons = element.get("buttons").map(|buttons| match buttons {
        Value::Array(buttons) => buttons.iter().map(button).collect(),
        other => other.clone(),
    });
    json!({
        "title": element.get("title"), "subtitle": element.get("subtitle"),
        "imageUrl": element.get("image_url"), "buttons": buttons.unwrap_or_else(|| json!([])),
    })
}

fn button(button: &Value) -> Value {
    let kind = match button.get("type").and_then(Value::as_str) {
        Some("web_url") => "url",
        Some(_) | None => "reply",
    };
    json!({
        "kind": kind, "title": button.get("title"), "id": button.get("payload"),
        "url": button.get("url"),
    })
}

fn quick_replies(replies: &Value, text: Option<String>) -> Result<Said, Error> {
    let Some(text) = text else {
        return Err(Error::invalid(
            "/content/text",
            "is required beside quick_replies",
        ));
    };
    let buttons = match replies {
        Value::Array(replies) => {
            for (at, reply) in replies.iter().enumerate() {
                let kind = reply.get("content_type").and_then(Value::as_str);
                if kind != Some("text") {
                    let pointer = format!("/content/quick_replies/{at}/content_type");
                    return Err(Error::invalid(pointer, "must be text"));
                }
            }
            let buttons = replies
                .iter()
                .map(|reply| json!({ "title": reply.get("title"), "id": reply.get("payload") }));
            buttons.collect()
        }
        other => other.clone(),
    };
    let json = of(
        "interactive",
        [
            ("kind", Some(json!("buttons"))),
            ("quickReplies", Some(json!(true))),
            ("body", Some(Value::from(text))),
            ("buttons", Some(buttons)),
        ],
    );
    said(json, Places::QuickReplies)
}

/// Meta's names of reactions.
const REACTIONS: [(&str, &str); 7] = [
    ("love", "❤️"),
    ("smile", "😆"),
    ("wow", "😮"),
    ("sad", "😢"),
    ("angry", "😠"),
    ("like", "👍"),
    ("dislike", "👎"),
];

fn sign(action: &Value, payload: Option<&Value>) -> Result<Value, Error> {
    let field = |name: &str| payload.and_then(|payload| payload.get(name)).cloned();
    Ok(match action.as_str().unwrap_or("") {
        "typing_on" => of("typing", []),
        "typing_off" => of("typing", [("off", Some(json!(true)))]),
        "mark_seen" => of("markSeen", []),
        "react" => {
            let name = field("reaction");
            let name = name.as_ref().and_then(Value::as_str).unwrap_or("");
            let known = REACTIONS.iter().find(|(known, _)| *known == name);
            let Some((_, emoji)) = known else {
                let names: Vec<&str> = REACTIONS.iter().map(|(name, _)| *name).collect();
                let detail = format!("must be one of {}", names.join(", "));
                return Err(Error::invalid("/content/payload/reaction", detail));
            };
            of(
                "reaction",
                [
                    ("messageId", field("message_id")),
                    ("emoji", Some(json!(emoji))),
                ],
            )
        }
        "unreact" => of(
            "reaction",
            [
                ("messageId", field("message_id")),
                ("emoji", Some(json!(""))),
            ],
        ),
        _ => {
            return Err(Error::invalid(
                "/content/sender_action",
                "must be one of typing_on, typing_off, mark_seen, react and unreact",
            ));
        }
    })
}
