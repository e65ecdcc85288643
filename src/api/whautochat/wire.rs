//! WhautoChat's JSON: who is written to, in which workspace, and what is said.

use super::Form;
use crate::api::content::{self, Names, fields, of, spelled};
use crate::api::problem::FieldError;
use crate::api::reading::{read, take};
use crate::api::template;
use crate::gateway::{Draft, Error, Recipient, Send, Sender};
use crate::model::channel::ChannelKind;
use crate::model::content::{Content, Media};
use crate::model::id::{MessageId, WorkspaceId};
use crate::model::json;
use crate::model::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// What fills a template.
const FILLING: [&str; 2] = ["components", "variables"];

/// Where the parts of a message stand in the body it was read from.
#[derive(Clone, Debug, Default)]
pub struct Places {
    is_to_contact: bool,
    said: Said,
}

/// What is said, by the fields that say it.
#[derive(Clone, Debug, Default)]
enum Said {
    #[default]
    Text,
    Media,
    Template(TemplatePlaces),
    /// With a text above them, as they were given.
    Buttons(Value),
    /// As they were given.
    Elements(Value),
}

/// Where a template and what fills it stand.
#[derive(Clone, Copy, Debug, Default)]
struct TemplatePlaces {
    /// It is a text: its key.
    is_key: bool,
    /// What fills it stands beside it.
    is_filled_beside: bool,
}

/// How a button's and an element's fields may be written. What a button answers is its
/// payload, else its title.
const NAMES: &Names = &[
    ("id", &["payload", "title"]),
    ("imageUrl", &["imageUrl", "image_url"]),
];

impl Places {
    /// A field of ours, as this surface's clients know it.
    pub fn of(&self, pointer: &str) -> String {
        match (pointer, pointer.strip_prefix("/content")) {
            ("/to", _) if self.is_to_contact => "/contact/id".to_owned(),
            ("/to", _) => "/recepient/phoneNumber".to_owned(),
            ("/scheduledAt", _) => "/scheduleDateTime".to_owned(),
            (_, None) => pointer.to_owned(),
            (_, Some(rest)) => self.said.of(rest),
        }
    }
}

impl Said {
    /// A field of ours below `/content`.
    fn of(&self, rest: &str) -> String {
        let list = |ours: &str, name: &str, given: &Value| {
            let rest = rest.strip_prefix(ours).unwrap_or("");
            format!("/{name}{}", spelled(given, rest, NAMES))
        };
        match (self, rest) {
            (Said::Text, _) | (Said::Buttons(_), "/body") => "/textMessage".to_owned(),
            (Said::Media, "/mimeType") => "/mimeType".to_owned(),
            (Said::Media, _) => "/mediaUrl".to_owned(),
            (Said::Template(_), "/type") => "/template".to_owned(),
            (Said::Template(places), _) => places.of(&format!("/template{rest}")),
            (Said::Buttons(given), _) => list("/buttons", "buttons", given),
            (Said::Elements(given), _) => list("/cards", "elements", given),
        }
    }
}

impl TemplatePlaces {
    /// A field of a template as it would be as one object.
    fn of(self, pointer: &str) -> String {
        let rest = pointer.strip_prefix("/template").unwrap_or(pointer);
        let is_filling = rest.starts_with("/components") || rest.starts_with("/variables");
        if is_filling && self.is_filled_beside {
            rest.to_owned()
        } else if self.is_key && !is_filling {
            "/template".to_owned()
        } else {
            pointer.to_owned()
        }
    }
}

/// A message as it was read.
#[derive(Debug)]
pub struct Wanted {
    pub send: Send,
    pub places: Places,
}

/// Reads a message of a form for a channel of a type.
pub fn send(kind: ChannelKind, form: Form, mut json: Value) -> Result<Wanted, Error> {
    #[derive(Deserialize)]
    struct Contact {
        id: String,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Recepient {
        phone_number: String,
    }
    #[derive(Deserialize)]
    struct Workspace {
        id: String,
    }
    #[derive(Deserialize)]
    struct Wire {
        contact: Option<Contact>,
        /// Spelled as the documented requests spell it.
        recepient: Option<Recepient>,
        workspace: Workspace,
    }
    let scheduled_at = time(take(&mut json, "scheduleDateTime"))?;
    let (content, said) = match (form, kind) {
        (Form::Text, _) => (text(&mut json), Said::Text),
        (Form::Media, _) => (media(kind, &mut json), Said::Media),
        (Form::Template, ChannelKind::Whatsapp) => templated(&mut json),
        (Form::Template, ChannelKind::Telegram) => with_buttons(&mut json),
        (
            Form::Template,
            ChannelKind::Messenger
            | ChannelKind::Instagram
            | ChannelKind::Sms
            | ChannelKind::Webchat,
        ) => elements(&mut json),
    };
    let wire: Wire = read(json, "")?;
    let takes_numbers = kind == ChannelKind::Whatsapp;
    if wire.recepient.is_some() && !takes_numbers {
        return Err(Error::invalid(
            "/recepient",
            "is for WhatsApp only; name a contact",
        ));
    }
    let is_to_contact = wire.contact.is_some();
    let to = match (wire.contact, wire.recepient) {
        (Some(contact), None) => Recipient::Contact(contact.id),
        (None, Some(recepient)) => Recipient::Address(recepient.phone_number),
        (Some(_), Some(_)) => {
            return Err(Error::invalid(
                "",
                "must have either contact or recepient, not both",
            ));
        }
        (None, None) if takes_numbers => {
            return Err(Error::invalid("", "must have contact or recepient"));
        }
        (None, None) => return Err(Error::invalid("/contact", "is required")),
    };
    let workspace = WorkspaceId::parse(&wire.workspace.id).ok_or_else(|| Error::NotFound {
        what: "workspace",
        pointer: Some("/workspace/id".to_owned()),
    })?;
    let from = Sender {
        name: None,
        kind: Some(kind),
        or_account: false,
    };
    let send = Send {
        workspace: Some(workspace),
        scheduled_at,
        ..Send::new(from, to, content?)
    };
    let places = Places {
        is_to_contact,
        said,
    };
    Ok(Wanted { send, places })
}

/// Reads when a message is to be sent; without an offset it is UTC.
fn time(given: Option<Value>) -> Result<Option<Timestamp>, Error> {
    let text = match given {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::String(text)) => text,
        Some(_) => String::new(),
    };
    let at = Timestamp::parse_rfc3339(&text)
        .or_else(|| Timestamp::parse_rfc3339(&format!("{text}Z")))
        .ok_or_else(|| {
            let detail =
                "must be an RFC 3339 time such as 2026-11-20T08:00:00Z; UTC without an offset";
            Error::invalid("/scheduleDateTime", detail)
        })?;
    Ok(Some(at))
}

/// Reads a text.
fn text(json: &mut Value) -> Result<Draft, Error> {
    Ok(Content::text_of(string(json, "textMessage")?).into())
}

/// A field that must be text.
fn string(json: &mut Value, field: &str) -> Result<String, Error> {
    match take(json, field) {
        Some(Value::String(text)) => Ok(text),
        Some(Value::Null) | None => Err(Error::invalid(format!("/{field}"), "is required")),
        Some(_) => Err(Error::invalid(format!("/{field}"), "must be text")),
    }
}

/// Reads a file: what it is to be shown as is told by its type.
fn media(kind: ChannelKind, json: &mut Value) -> Result<Draft, Error> {
    let url = string(json, "mediaUrl")?;
    let mime_type = string(json, "mimeType")?;
    let bare = mime_type.split(';').next().unwrap_or("").trim();
    let bare = bare.to_ascii_lowercase();
    let (family, subtype) = bare.split_once('/').unwrap_or_default();
    if family.is_empty() || subtype.is_empty() {
        return Err(Error::invalid("/mimeType", "must be such as image/jpeg"));
    }
    let media = Media {
        url,
        mime_type: Some(mime_type.clone()),
        ..Media::default()
    };
    let content = match (family, subtype) {
        // WhatsApp shows these as stickers and nothing else.
        ("image", "webp") if kind == ChannelKind::Whatsapp => Content::Sticker(media),
        ("image", _) => Content::Image(media),
        ("video", _) => Content::Video(media),
        ("audio", _) => Content::Audio(media),
        _ => Content::Document(media),
    };
    Ok(content.into())
}

/// Reads the items of a field that must be an array, each with its pointer.
fn each(
    items: &Value,
    pointer: &str,
    read: fn(&Value, &str) -> Result<Value, Error>,
) -> Result<Value, Error> {
    let Value::Array(items) = items else {
        let is_given = !items.is_null();
        let detail = if is_given {
            "must be an array"
        } else {
            "is required"
        };
        return Err(Error::invalid(pointer, detail));
    };
    content::objects(items, pointer, read)
}

/// Reads a button: it opens a page, or answers with its payload, else with its title.
fn button(button: &Value, pointer: &str) -> Result<Value, Error> {
    let field = |name: &str| button.get(name).filter(|value| !value.is_null()).cloned();
    let (url, payload) = (field("url"), field("payload"));
    if url.is_some() && payload.is_some() {
        let pointer = format!("{pointer}/payload");
        return Err(Error::invalid(pointer, "cannot be given beside url"));
    }
    let title = || field("title").filter(Value::is_string);
    let (kind, id) = match url {
        Some(_) => ("url", None),
        None => ("reply", payload.or_else(title)),
    };
    Ok(fields([
        ("kind", Some(json!(kind))),
        ("title", field("title")),
        ("id", id),
        ("url", url),
    ]))
}

/// Reads a text with buttons.
fn with_buttons(json: &mut Value) -> (Result<Draft, Error>, Said) {
    let given = take(json, "buttons").unwrap_or_default();
    let said = Said::Buttons(given.clone());
    let draft = string(json, "textMessage").and_then(|text| {
        let fields = [
            ("kind", Some(json!("buttons"))),
            ("body", Some(Value::from(text))),
            ("buttons", Some(each(&given, "/buttons", button)?)),
        ];
        drafted(of("interactive", fields), &said)
    });
    (draft, said)
}

/// Reads cards.
fn elements(json: &mut Value) -> (Result<Draft, Error>, Said) {
    let given = take(json, "elements").unwrap_or_default();
    let said = Said::Elements(given.clone());
    let draft = each(&given, "/elements", element)
        .and_then(|cards| drafted(of("cards", [("cards", Some(cards))]), &said));
    (draft, said)
}

fn element(element: &Value, pointer: &str) -> Result<Value, Error> {
    let field = |name: &str| element.get(name).filter(|value| !value.is_null()).cloned();
    let buttons = match field("buttons") {
        Some(buttons) => Some(each(&buttons, &format!("{pointer}/buttons"), button)?),
        None => None,
    };
    Ok(fields([
        ("title", field("title")),
        ("subtitle", field("subtitle")),
        ("imageUrl", field("imageUrl").or_else(|| field("image_url"))),
        ("buttons", buttons),
    ]))
}

fn drafted(json: Value, said: &Said) -> Result<Draft, Error> {
    let content = content::read(json).map_err(|error| {
        error.repointed(|pointer| said.of(pointer.strip_prefix("/content").unwrap_or(pointer)))
    })?;
    Ok(content.into())
}

/// Reads a template: its key as a text, or an object that names it; what fills it stands
/// within or beside it.
fn templated(json: &mut Value) -> (Result<Draft, Error>, Said) {
    let mut places = TemplatePlaces::default();
    let draft = template(json, &mut places);
    (draft, Said::Template(places))
}

fn template(json: &mut Value, places: &mut TemplatePlaces) -> Result<Draft, Error> {
    let mut template = match take(json, "template") {
        Some(Value::String(key)) => {
            places.is_key = true;
            places.is_filled_beside = true;
            json::object([("key".to_owned(), Value::String(key))])
        }
        Some(Value::Object(fields)) => fields,
        Some(Value::Null) | None => {
            return Err(Error::invalid("/template", "is required"));
        }
        Some(_) => {
            return Err(Error::invalid("/template", "must be text or an object"));
        }
    };
    let is_filled_within = FILLING
        .iter()
        .any(|field| template.get(*field).is_some_and(|value| !value.is_null()));
    for field in FILLING {
        let Some(beside) = take(json, field).filter(|value| !value.is_null()) else {
            continue;
        };
        if is_filled_within {
            return Err(Error::invalid(
                format!("/{field}"),
                "cannot be given beside what fills the template within it",
            ));
        }
        places.is_filled_beside = true;
        template.insert(field.to_owned(), beside);
    }
    template::draft(Value::Object(template), "/template")
        .map(Draft::Template)
        .map_err(|error| error.repointed(|pointer| places.of(pointer)))
}

/// The answer to a message that was taken.
#[derive(Debug, Serialize)]
pub struct Answer {
    pub id: MessageId,
    pub status: &'static str,
    /// Always `null` here; a refusal says what is wrong in its place.
    pub error: Option<String>,
}

/// A refusal.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Problem<'a> {
    /// Always `null`: no message was made.
    pub id: Option<MessageId>,
    pub status: &'static str,
    pub error: &'a str,
    pub code: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError<'a>>,
    pub request_id: &'a str,
}
