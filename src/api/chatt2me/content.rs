//! What a message says, in Chatt2.me's fourteen fields: brought into our form, and our
//! pointers into its fields.

use super::older;
use crate::api::content::{self, Names, each, fields, of, spelled};
use crate::api::reading::take;
use crate::api::{cloud, template};
use crate::channel::Invalid;
use crate::gateway::{Draft, Error};
use crate::model::channel::ChannelKind::{
    self, Instagram, Messenger, Sms, Telegram, Webchat, Whatsapp,
};
use crate::model::content::Content;
use serde_json::{Value, json};

/// The fields that each make a message by themselves, and the channels on which they are
/// documented; `text` makes one everywhere.
const MAIN: [(&str, &[ChannelKind]); 14] = [
    (
        "imageUrl",
        &[Whatsapp, Instagram, Messenger, Telegram, Sms, Webchat],
    ),
    (
        "videoUrl",
        &[Whatsapp, Instagram, Messenger, Telegram, Webchat],
    ),
    (
        "audioUrl",
        &[Whatsapp, Instagram, Messenger, Telegram, Webchat],
    ),
    ("documentUrl", &[Whatsapp, Telegram, Webchat]),
    ("stickerUrl", &[Whatsapp, Instagram, Telegram, Webchat]),
    ("location", &[Whatsapp, Telegram, Webchat]),
    ("contact", &[Whatsapp, Telegram, Webchat]),
    ("contacts", &[Whatsapp, Telegram, Webchat]),
    (
        "interactive",
        &[Whatsapp, Instagram, Messenger, Telegram, Webchat],
    ),
    ("template", &[Whatsapp]),
    (
        "reaction",
        &[Whatsapp, Instagram, Messenger, Telegram, Webchat],
    ),
    ("markSeen", &[Instagram, Messenger]),
    ("paymentRequest", &[Whatsapp]),
    ("orderStatus", &[Whatsapp]),
];

/// The same of interactive messages, by their type.
const INTERACTIVE: [(&str, &[ChannelKind]); 4] = [
    ("button", &[Whatsapp, Instagram, Messenger, Webchat]),
    ("list", &[Whatsapp, Instagram, Messenger, Telegram, Webchat]),
    ("cta_url", &[Whatsapp, Instagram, Messenger, Webchat]),
    ("location_request_message", &[Whatsapp]),
];

/// Where an answer may name the message it answers.
const REPLIES: &[ChannelKind] = &[Whatsapp, Telegram, Webchat];

/// Beside these, `text` is a caption.
const CAPTIONED: [&str; 4] = ["imageUrl", "videoUrl", "audioUrl", "documentUrl"];

/// What a message says, and where its parts stand.
#[derive(Debug)]
pub struct Said {
    pub draft: Draft,
    pub places: Places,
    /// By that product's names of contents.
    pub kind: Option<&'static str>,
}

/// Where the parts of a message stand in the body it was read from.
#[derive(Clone, Debug, Default)]
pub enum Places {
    /// `text`, and what is missing.
    #[default]
    Text,
    /// A file's address, in this field.
    File(&'static str),
    /// All of it within this field.
    Within(&'static str),
    /// One contact, in `contact`.
    Contact(Value),
    /// Several, in `contacts`.
    Contacts(Value),
    /// In the Cloud API's form.
    Cloud(Value),
    Older(older::Places),
}

impl Places {
    /// A field of ours, as this surface's clients know it.
    pub fn of(&self, pointer: &str) -> String {
        let Some(rest) = pointer.strip_prefix("/content") else {
            return pointer.to_owned();
        };
        let within = match self {
            Places::Text => rest.to_owned(),
            Places::File(field) => match rest {
                "/url" | "/type" => format!("/{field}"),
                "/caption" => "/text".to_owned(),
                _ => rest.to_owned(),
            },
            Places::Within(field) => match rest {
                "/type" => format!("/{field}"),
                _ => format!("/{field}{rest}"),
            },
            Places::Contact(card) => {
                let rest = rest.strip_prefix("/contacts/0").unwrap_or("");
                format!("/contact{}", spelled(card, rest, CARD))
            }
            Places::Contacts(cards) => {
                let rest = rest.strip_prefix("/contacts").unwrap_or("");
                format!("/contacts{}", spelled(cards, rest, CARD))
            }
            Places::Cloud(cloud) => format!("/interactive{}", cloud::pointer(cloud, rest)),
            Places::Older(places) => places.of(rest),
        };
        format!("/content{within}")
    }
}

/// Reads what a message says on a channel of a type. Errors point into what was given.
pub fn read(kind: ChannelKind, given: &mut Value, text: Option<String>) -> Result<Said, Error> {
    let is_given = |field: &str| given.get(field).is_some_and(|value| !value.is_null());
    let mut main = MAIN.iter().filter(|(field, _)| is_given(field));
    let (first, second) = (main.next(), main.next());
    if let Some(older) = older::given(kind, given) {
        return match first {
            Some((field, _)) => Err(beside(older, field)),
            None => older::read(given, text),
        };
    }
    let Some((field, carried)) = first else {
        let text = text.ok_or_else(|| {
            let fields: Vec<&str> = MAIN.iter().map(|(field, _)| *field).collect();
            let detail = format!("must have one of text, {}", fields.join(", "));
            Error::invalid("/content", detail)
        })?;
        return Ok(Said {
            draft: Content::text_of(text).into(),
            places: Places::Text,
            kind: Some("Text"),
        });
    };
    if let Some((second, _)) = second {
        return Err(beside(field, second));
    }
    if text.is_some() && !CAPTIONED.contains(field) {
        return Err(beside(field, "text"));
    }
    if !carried.contains(&kind) {
        let names: Vec<&str> = carried.iter().map(|kind| kind.name()).collect();
        let detail = format!("can be sent on {} only", names.join(", "));
        return Err(unsupported(field, &detail));
    }
    let value = take(given, field).unwrap_or_default();
    let (json, places) = match *field {
        "template" => {
            let draft = template::draft(value, "/content/template")?;
            return Ok(Said {
                draft: Draft::Template(draft),
                places: Places::Within("template"),
                kind: Some("Template"),
            });
        }
        "imageUrl" => (file("image", value, text, given), Places::File("imageUrl")),
        "videoUrl" => (file("video", value, text, given), Places::File("videoUrl")),
        "audioUrl" => (file("audio", value, text, given), Places::File("audioUrl")),
        "documentUrl" => (
            file("document", value, text, given),
            Places::File("documentUrl"),
        ),
        "stickerUrl" => (
            file("sticker", value, None, given),
            Places::File("stickerUrl"),
        ),
        "interactive" => interactive(kind, &value)?,
        "contact" => (contacts(json!([value])), Places::Contact(value)),
        "contacts" => (contacts(value.clone()), Places::Contacts(value)),
        "markSeen" if value == true => (of("markSeen", []), Places::Within("markSeen")),
        "markSeen" if !value.is_object() => {
            let detail = "must be true, or an object";
            return Err(Error::invalid("/content/markSeen", detail));
        }
        "markSeen" => (tagged("markSeen", value)?, Places::Within("markSeen")),
        "location" => (tagged("location", value)?, Places::Within("location")),
        "reaction" => (tagged("reaction", value)?, Places::Within("reaction")),
        "paymentRequest" => (
            tagged("paymentRequest", value)?,
            Places::Within("paymentRequest"),
        ),
        _ => (tagged("orderStatus", value)?, Places::Within("orderStatus")),
    };
    let content = content::read(json).map_err(|error| error.repointed(|it| places.of(it)))?;
    Ok(Said {
        kind: kind_of(&content),
        draft: content.into(),
        places,
    })
}

/// Whether a message may name the one it answers, at the field that does.
pub fn may_reply(kind: ChannelKind, pointer: &str) -> Result<(), Error> {
    if REPLIES.contains(&kind) {
        return Ok(());
    }
    let names: Vec<&str> = REPLIES.iter().map(|kind| kind.name()).collect();
    let detail = format!("can be given on {} only", names.join(", "));
    Err(Error::UnsupportedContent(Invalid::new(pointer, detail)))
}

pub fn unsupported(field: &str, detail: &str) -> Error {
    Error::UnsupportedContent(Invalid::new(format!("/content/{field}"), detail))
}

pub fn beside(first: &str, second: &str) -> Error {
    Error::invalid(
        format!("/content/{second}"),
        format!("cannot be given beside {first}: a message has one content"),
    )
}

fn file(kind: &str, url: Value, caption: Option<String>, given: &Value) -> Value {
    let beside = |field: &str, of: &str| given.get(field).filter(|_| kind == of).cloned();
    of(
        kind,
        [
            ("url", Some(url)),
            ("caption", caption.map(Value::from)),
            ("filename", beside("filename", "document")),
            ("voice", beside("voice", "audio")),
        ],
    )
}

/// An object of ours, by its kind.
fn tagged(kind: &'static str, fields: Value) -> Result<Value, Error> {
    let Value::Object(mut fields) = fields else {
        return Err(Error::invalid(
            format!("/content/{kind}"),
            "must be an object",
        ));
    };
    fields.insert("type".to_owned(), Value::from(kind));
    Ok(Value::Object(fields))
}

fn interactive(kind: ChannelKind, value: &Value) -> Result<(Value, Places), Error> {
    let json = cloud::interactive(value)
        .map_err(|error| error.repointed(|pointer| format!("/content/interactive{pointer}")))?;
    let name = value.get("type").and_then(Value::as_str).unwrap_or("");
    let carried = INTERACTIVE.iter().find(|(known, _)| *known == name);
    if carried.is_some_and(|(_, carried)| !carried.contains(&kind)) {
        let detail = format!("{name} cannot be sent on {}", kind.name());
        return Err(unsupported("interactive/type", &detail));
    }
    for part in ["header", "footer"] {
        if value.get(part).is_some_and(|value| !value.is_null()) && kind != Whatsapp {
            let field = format!("interactive/{part}");
            return Err(unsupported(&field, "can be sent on whatsapp only"));
        }
    }
    Ok((json, Places::Cloud(value.clone())))
}

/// How a contact's fields may be written: in our spelling or in Meta's.
const CARD: &Names = &[
    ("formattedName", &["formattedName", "formatted_name"]),
    ("firstName", &["firstName", "first_name"]),
    ("lastName", &["lastName", "last_name"]),
    ("organization", &["organization", "org/company", "org"]),
];

fn contacts(given: Value) -> Value {
    of("contacts", [("contacts", Some(each(given, card)))])
}

fn card(given: Value) -> Value {
    if !given.is_object() {
        return given;
    }
    let field = |name: &str| written(&given, name);
    // Meta's `org` may be of no company.
    let is_nameless = |it: &Value| it.is_object() && given.get("org") == Some(it);
    fields([
        ("name", field("name").map(name)),
        ("phones", field("phones").map(|phones| each(phones, phone))),
        ("emails", field("emails")),
        (
            "organization",
            field("organization").filter(|it| !is_nameless(it)),
        ),
    ])
}

/// A name in its parts, or the whole as a plain text.
fn name(given: Value) -> Value {
    if given.is_string() {
        return fields([("formattedName", Some(given))]);
    }
    if !given.is_object() {
        return given;
    }
    let parts = ["formattedName", "firstName", "lastName"];
    fields(parts.map(|part| (part, written(&given, part))))
}

/// A number with its type, or as a plain text.
fn phone(given: Value) -> Value {
    if given.is_string() {
        fields([("phone", Some(given))])
    } else {
        given
    }
}

/// A field in whichever way it is written.
fn written(given: &Value, field: &str) -> Option<Value> {
    given
        .pointer(&spelled(given, &format!("/{field}"), CARD))
        .cloned()
}

/// That product's name of a content, as on Messenger and Instagram.
pub fn kind_of(content: &Content) -> Option<&'static str> {
    Some(match content {
        Content::Text(_) => "Text",
        Content::Image(_) => "Image",
        Content::Video(_) => "Video",
        Content::Audio(_) => "Audio",
        Content::Document(_) => "File",
        Content::Sticker(_) => "Sticker",
        Content::Location(_) => "Location",
        Content::Contacts(_) => "Contact",
        Content::Interactive(interactive) if interactive.quick_replies => "QuickReply",
        Content::Interactive(interactive) if interactive.list.is_some() => "List",
        Content::Interactive(_) => "Button",
        Content::Cards(cards) if cards.cards.len() == 1 => "Card",
        Content::Cards(_) => "Carousel",
        Content::Template(_) => "Template",
        Content::Reaction(_) => "Reaction",
        Content::MarkSeen(_) => "Read",
        Content::Typing(_)
        | Content::PaymentRequest(_)
        | Content::OrderStatus(_)
        | Content::Reply(_)
        | Content::Order(_)
        | Content::Unsupported(_) => return None,
    })
}
