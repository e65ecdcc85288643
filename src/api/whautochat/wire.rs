//! WhautoChat's JSON: who is written to, in which workspace, and what is said.

use super::Form;
use crate::api::problem::FieldError;
use crate::api::reading::{read, refuse_unbuilt, take};
use crate::api::template;
use crate::channel::Invalid;
use crate::gateway::{Draft, Error, Recipient, Send, Sender};
use crate::model::channel::ChannelKind;
use crate::model::content::Content;
use crate::model::id::{MessageId, WorkspaceId};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What fills a template.
const FILLING: [&str; 2] = ["components", "variables"];

/// Where the parts of a message stand in the body it was read from.
#[derive(Clone, Copy, Debug, Default)]
pub struct Places {
    is_to_contact: bool,
    template: TemplatePlaces,
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
            "/content/type" => "/template".to_owned(),
            _ => match pointer.strip_prefix("/content") {
                Some(rest) => self.template.of(&format!("/template{rest}")),
                None => pointer.to_owned(),
            },
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
    // Before anything is read: what is asked for later must not go out now.
    refuse_unbuilt(&json, "", &["scheduleDateTime"])?;
    let (content, template) = match form {
        Form::Text => (text(&mut json), TemplatePlaces::default()),
        Form::Template if kind == ChannelKind::Whatsapp => templated(&mut json),
        Form::Template if kind == ChannelKind::Telegram => {
            (unbuilt("/buttons"), Default::default())
        }
        Form::Template => (unbuilt("/elements"), Default::default()),
        Form::Media => (unbuilt("/mediaUrl"), Default::default()),
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
    };
    Ok(Wanted { send, places })
}

/// Reads a text.
fn text(json: &mut Value) -> Result<Draft, Error> {
    match take(json, "textMessage") {
        Some(Value::String(text)) => Ok(Draft::Content(Content::Text {
            text,
            preview_url: None,
        })),
        Some(Value::Null) | None => Err(Error::invalid("/textMessage", "is required")),
        Some(_) => Err(Error::invalid("/textMessage", "must be text")),
    }
}

/// A form that is documented and not built; it names the field that makes it.
fn unbuilt(pointer: &str) -> Result<Draft, Error> {
    Ok(Draft::Unbuilt(Invalid::new(pointer, "cannot be sent yet")))
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
