//! WhautoChat's JSON: who is written to, in which workspace, and what is said.

use super::Form;
use crate::api::content::{self, of};
use crate::api::problem::FieldError;
use crate::api::reading::{read, refuse_unbuilt, take};
use crate::api::template;
use crate::gateway::{Draft, Error, Recipient, Send, Sender};
use crate::model::channel::ChannelKind;
use crate::model::content::{Content, Media};
use crate::model::id::{MessageId, WorkspaceId};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// What fills a template.
const FILLING: [&str; 2] = ["components", "variables"];

/// Where the parts of a message stand in the body it was read from.
#[derive(Clone, Copy, Debug, Default)]
pub struct Places {
    is_to_contact: bool,
    template: TemplatePlaces,
    form: Option<(ChannelKind, Form)>,
}

/// Where a template and what fills it stand.
#[derive(Clone, Copy, Debug, Default)]
struct TemplatePlaces {
    /// It is a text: its key.
    is_key: bool,
    /// What fills it stands beside it.
    is_filled_beside: bool,
}

impl Places {
    /// A field of ours, as this surface's clients know it.
    pub fn of(self, pointer: &str) -> String {
        match pointer {
            "/to" if self.is_to_contact => "/contact/id".to_owned(),
            "/to" => "/recepient/phoneNumber".to_owned(),
            "/content/text" => "/textMessage".to_owned(),
            _ => match (pointer.strip_prefix("/content"), self.form) {
                (None, _) => pointer.to_owned(),
                (Some("/type"), Some((_, Form::Text))) => "/textMessage".to_owned(),
                (Some("/mimeType"), Some((_, Form::Media))) => "/mimeType".to_owned(),
                (Some(_), Some((_, Form::Media))) => "/mediaUrl".to_owned(),
                (Some("/type"), Some((ChannelKind::Whatsapp, Form::Template))) => {
                    "/template".to_owned()
                }
                (Some(rest), Some((ChannelKind::Telegram, Form::Template))) => of_buttons(rest),
                (
                    Some(rest),
                    Some((ChannelKind::Messenger | ChannelKind::Instagram, Form::Template)),
                ) => of_elements(rest),
                (Some(rest), _) => self.template.of(&format!("/template{rest}")),
            },
        }
    }
}

/// A field of a message with buttons.
fn of_buttons(rest: &str) -> String {
    match rest {
        "/body" => "/textMessage".to_owned(),
        _ if rest.starts_with("/buttons") => rest.replace("/id", "/payload"),
        _ => "/buttons".to_owned(),
    }
}

/// A field of cards.
fn of_elements(rest: &str) -> String {
    match rest.strip_prefix("/cards") {
        Some(rest) => format!("/elements{}", rest.replace("/id", "/payload")),
        None => "/elements".to_owned(),
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
    // Before anything is read: what is asked for later must not go out now.
    refuse_unbuilt(&json, "", &["scheduleDateTime"])?;
    let (content, template) = match form {
        Form::Text => (text(&mut json), TemplatePlaces::default()),
        Form::Template if kind == ChannelKind::Whatsapp => templated(&mut json),
        Form::Template if kind == ChannelKind::Telegram => (buttons(&mut json), Default::default()),
        Form::Template => (elements(&mut json), Default::default()),
        Form::Media => (media(kind, &mut json), Default::default()),
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
        ..Send::new(from, to, content?)
    };
    let places = Places {
        is_to_contact,
        template,
        form: Some((kind, form)),
    };
    Ok(Wanted { send, places })
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

/// A field that must be an array.
fn array(json: &mut Value, field: &str) -> Result<Vec<Value>, Error> {
    match take(json, field) {
        Some(Value::Array(items)) => Ok(items),
        Some(Value::Null) | None => Err(Error::invalid(format!("/{field}"), "is required")),
        Some(_) => Err(Error::invalid(format!("/{field}"), "must be an array")),
    }
}

/// Reads a file: what it is to be shown as is told by its type.
fn media(kind: ChannelKind, json: &mut Value) -> Result<Draft, Error> {
    let url = string(json, "mediaUrl")?;
    let mime_type = string(json, "mimeType")?;
    if !mime_type.contains('/') {
        return Err(Error::invalid("/mimeType", "must be such as image/jpeg"));
    }
    let media = Media {
        url,
        mime_type: Some(mime_type.clone()),
        ..Media::default()
    };
    let family = mime_type
        .split('/')
        .next()
        .unwrap_or("")
        .to_ascii_lowercase();
    let content = match family.as_str() {
        // WhatsApp shows these as stickers and nothing else.
        "image" if kind == ChannelKind::Whatsapp && mime_type == "image/webp" => {
            Content::Sticker(media)
        }
        "image" => Content::Image(media),
        "video" => Content::Video(media),
        "audio" => Content::Audio(media),
        _ => Content::Document(media),
    };
    Ok(content.into())
}

/// What a button answers, where it opens no page: its payload, else its title.
fn answer(button: &Value) -> Option<Value> {
    let field = |name: &str| button.get(name).filter(|value| !value.is_null());
    match (field("url"), field("payload")) {
        (Some(_), payload) => payload.cloned(),
        (None, payload) => payload.or(field("title")).cloned(),
    }
}

/// Reads a text with buttons.
fn buttons(json: &mut Value) -> Result<Draft, Error> {
    let text = string(json, "textMessage")?;
    let buttons = array(json, "buttons")?;
    let buttons = buttons.iter().map(|button| {
        json!({ "title": button.get("title"), "id": answer(button), "url": button.get("url") })
    });
    drafted(
        of(
            "interactive",
            [
                ("kind", Some(json!("buttons"))),
                ("body", Some(Value::from(text))),
                ("buttons", Some(buttons.collect())),
            ],
        ),
        of_buttons,
    )
}

/// Reads cards.
fn elements(json: &mut Value) -> Result<Draft, Error> {
    let elements = array(json, "elements")?;
    let cards = elements.iter().map(|element| {
        let buttons = element.get("buttons").and_then(Value::as_array);
        let buttons = buttons.into_iter().flatten().map(|button| {
            let is_page = button.get("url").is_some_and(|url| !url.is_null());
            json!({
                "kind": if is_page { "url" } else { "reply" }, "title": button.get("title"),
                "id": answer(button), "url": button.get("url"),
            })
        });
        json!({
            "title": element.get("title"), "subtitle": element.get("subtitle"),
            "imageUrl": element.get("imageUrl").or(element.get("image_url")),
            "buttons": buttons.collect::<Vec<_>>(),
        })
    });
    drafted(of("cards", [("cards", Some(cards.collect()))]), of_elements)
}

fn drafted(json: Value, places: fn(&str) -> String) -> Result<Draft, Error> {
    let content = content::read(json).map_err(|error| {
        error.repointed(|pointer| places(pointer.strip_prefix("/content").unwrap_or(pointer)))
    })?;
    Ok(content.into())
}

/// Reads a template: its key as a text, or an object that names it; what fills it stands
/// within or beside it.
fn templated(json: &mut Value) -> (Result<Draft, Error>, TemplatePlaces) {
    let mut places = TemplatePlaces::default();
    let mut template = match take(json, "template") {
        Some(Value::String(key)) => {
            places.is_key = true;
            places.is_filled_beside = true;
            Map::from_iter([("key".to_owned(), Value::String(key))])
        }
        Some(Value::Object(fields)) => fields,
        Some(Value::Null) | None => {
            return (Err(Error::invalid("/template", "is required")), places);
        }
        Some(_) => {
            let error = Error::invalid("/template", "must be text or an object");
            return (Err(error), places);
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
            let error = Error::invalid(
                format!("/{field}"),
                "cannot be given beside what fills the template within it",
            );
            return (Err(error), places);
        }
        places.is_filled_beside = true;
        template.insert(field.to_owned(), beside);
    }
    let draft = template::draft(Value::Object(template), "/template")
        .map(Draft::Template)
        .map_err(|error| error.repointed(|pointer| places.of(pointer)));
    (draft, places)
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
