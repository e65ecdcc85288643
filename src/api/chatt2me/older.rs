//! The older fields of Messenger and Instagram: Meta's own `attachment`, `quick_replies`
//! and `sender_action`.

use super::content::{Said, beside, kind_of, unsupported};
use crate::api::content::{self, Names, fields, of, spelled};
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

/// The first of these fields that is given. They are nobody else's.
pub fn given(kind: ChannelKind, given: &Value) -> Option<&'static str> {
    let is_known = matches!(kind, ChannelKind::Messenger | ChannelKind::Instagram);
    let is_given = |field: &str| given.get(field).is_some_and(|value| !value.is_null());
    FIELDS.into_iter().find(|field| is_known && is_given(field))
}

/// Where the parts of a message stand.
#[derive(Clone, Debug)]
pub enum Places {
    /// An attachment's: in this field.
    Attachment(String),
    /// Several attachments': each in its field, and a text behind them.
    Attachments(Vec<String>),
    QuickReplies,
    Action,
}

/// What our fields are called there.
const NAMES: &Names = &[
    ("cards", &["elements"]),
    ("imageUrl", &["image_url"]),
    ("body", &["text"]),
    ("id", &["payload"]),
];

impl Places {
    /// A field of ours below `/content`.
    pub fn of(&self, rest: &str) -> String {
        match self {
            Places::Attachment(field) => format!("/{field}{}", of_attachment(rest)),
            Places::Attachments(fields) => {
                let rest = rest.trim_start_matches('/');
                let (at, rest) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
                let field = at.parse().ok().and_then(|at: usize| fields.get(at));
                field.map_or("/text".to_owned(), |field| {
                    format!("/{field}{}", of_attachment(rest))
                })
            }
            Places::QuickReplies => match rest.strip_prefix("/buttons") {
                Some(rest) => format!("/quick_replies{}", spelled(&Value::Null, rest, NAMES)),
                None => spelled(&Value::Null, rest, NAMES),
            },
            Places::Action => match rest {
                "/messageId" => "/payload/message_id".to_owned(),
                "/emoji" => "/payload/reaction".to_owned(),
                _ => "/sender_action".to_owned(),
            },
        }
    }
}

fn of_attachment(rest: &str) -> String {
    match rest {
        "/type" | "/kind" => "/type".to_owned(),
        _ => format!("/payload{}", spelled(&Value::Null, rest, NAMES)),
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
    let stray = || Error::invalid("/content/payload", "belongs to a sender_action");
    if payload.is_some() {
        return Err(stray());
    }
    let attached = match (attachment, attachments) {
        (Some(_), Some(_)) => return Err(beside("attachment", "attachments")),
        (Some(only), None) => vec![("attachment".to_owned(), only)],
        (None, Some(all)) => numbered(all)?,
        (None, None) => {
            let replies = replies.ok_or_else(stray)?;
            return quick_replies(replies, text);
        }
    };
    if replies.is_some() {
        return Err(beside("an attachment", "quick_replies"));
    }
    match (attached.as_slice(), text) {
        ([(field, only)], None) => one(only, field),
        (several, text) => self::several(several, text),
    }
}

/// The most attachments of one request.
const MOST: usize = 10;

/// A list of attachments with the field of each.
fn numbered(attachments: Value) -> Result<Vec<(String, Value)>, Error> {
    let wrong = |detail: String| Err(Error::invalid("/content/attachments", detail));
    let Value::Array(attachments) = attachments else {
        return wrong("must be an array".to_owned());
    };
    if attachments.is_empty() {
        return wrong("must not be empty".to_owned());
    }
    if attachments.len() > MOST {
        return wrong(format!("must be at most {MOST} items"));
    }
    let attachments = attachments.into_iter().enumerate();
    Ok(attachments
        .map(|(at, it)| (format!("attachments/{at}"), it))
        .collect())
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

fn one(attachment: &Value, field: &str) -> Result<Said, Error> {
    said(
        attached(attachment, field)?,
        Places::Attachment(field.to_owned()),
    )
}

/// Attachments are a message each, and so is a text.
fn several(attachments: &[(String, Value)], text: Option<String>) -> Result<Said, Error> {
    let mut contents: Vec<Content> = Vec::new();
    let mut fields = Vec::new();
    for (field, attachment) in attachments {
        if let Draft::Content(content) = one(attachment, field)?.draft {
            contents.push(content);
            fields.push(field.clone());
        }
    }
    contents.extend(text.map(Content::text_of));
    Ok(Said {
        kind: contents.first().and_then(kind_of),
        draft: Draft::Several(contents),
        places: super::content::Places::Older(Places::Attachments(fields)),
    })
}

fn attached(attachment: &Value, field: &str) -> Result<Value, Error> {
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
        "template" => of_template(payload, &at("/payload")),
        _ => Err(Error::invalid(
            at("/type"),
            "must be one of image, video, audio, file, template and like_heart",
        )),
    }
}

/// Reads a template, which stands at a pointer.
fn of_template(payload: &Value, pointer: &str) -> Result<Value, Error> {
    let at = |rest: &str| format!("{pointer}{rest}");
    let name = payload.get("template_type").and_then(Value::as_str);
    match name.unwrap_or("") {
        "generic" => {
            let elements = each(payload.get("elements"), &at("/elements"), element)?;
            Ok(of("cards", [("cards", elements)]))
        }
        "button" => Ok(of(
            "interactive",
            [
                ("kind", Some(json!("buttons"))),
                ("body", payload.get("text").cloned()),
                (
                    "buttons",
                    each(payload.get("buttons"), &at("/buttons"), button)?,
                ),
            ],
        )),
        _ => Err(Error::invalid(
            at("/template_type"),
            "must be generic or button",
        )),
    }
}

/// Reads each item of a list with its pointer; what is no list is left to be refused.
fn each(
    items: Option<&Value>,
    pointer: &str,
    read: fn(&Value, &str) -> Result<Value, Error>,
) -> Result<Option<Value>, Error> {
    let Some(Value::Array(items)) = items else {
        return Ok(items.cloned());
    };
    content::objects(items, pointer, read).map(Some)
}

fn element(element: &Value, pointer: &str) -> Result<Value, Error> {
    let field = |name: &str| element.get(name).cloned();
    let buttons = each(
        element.get("buttons"),
        &format!("{pointer}/buttons"),
        button,
    )?;
    Ok(fields([
        ("title", field("title")),
        ("subtitle", field("subtitle")),
        ("imageUrl", field("image_url")),
        ("buttons", buttons),
    ]))
}

/// A button that opens a page, or one that answers with its payload.
fn button(button: &Value, pointer: &str) -> Result<Value, Error> {
    let field = |name: &str| button.get(name).filter(|it| !it.is_null()).cloned();
    let (kind, holds) = match button.get("type").and_then(Value::as_str) {
        Some("web_url") => ("url", "url"),
        Some("postback") => ("reply", "payload"),
        Some(_) | None => {
            let pointer = format!("{pointer}/type");
            return Err(Error::invalid(pointer, "must be web_url or postback"));
        }
    };
    let Some(held) = field(holds) else {
        return Err(Error::invalid(format!("{pointer}/{holds}"), "is required"));
    };
    let (id, url) = match kind {
        "url" => (None, Some(held)),
        _ => (Some(held), None),
    };
    Ok(fields([
        ("kind", Some(json!(kind))),
        ("title", field("title")),
        ("id", id),
        ("url", url),
    ]))
}

fn quick_replies(replies: Value, text: Option<String>) -> Result<Said, Error> {
    let Some(text) = text else {
        return Err(Error::invalid(
            "/content/text",
            "is required beside quick_replies",
        ));
    };
    for (at, reply) in replies.as_array().into_iter().flatten().enumerate() {
        if reply.get("content_type").and_then(Value::as_str) != Some("text") {
            let pointer = format!("/content/quick_replies/{at}/content_type");
            return Err(Error::invalid(pointer, "must be text"));
        }
    }
    let buttons = content::each(replies, |reply| {
        let field = |name: &str| reply.get(name).cloned();
        fields([("title", field("title")), ("id", field("payload"))])
    });
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
