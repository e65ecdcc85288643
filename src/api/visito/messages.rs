//! The two ways to send: into a conversation, and a template to a phone number.

use super::{Answer, Call, json_response, read, take};
use crate::api::sending::{self, Route};
use crate::api::template::filled;
use crate::api::{cloud, content};
use crate::gateway::{Draft, Error, Gateway, Pace, Ports, Recipient, Send, Sender};
use crate::model::channel::ChannelKind;
use crate::model::content::Content;
use crate::model::id::{ChannelId, ConversationId, MessageId};
use crate::model::message::DeliveryStatus;
use crate::model::template::{TemplateDraft, TemplateRef};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The kinds of the documented list, but for templates.
const KINDS: [&str; 7] = [
    "text",
    "image",
    "video",
    "audio",
    "document",
    "location",
    "interactive",
];

const TEMPLATE: &str = "template";

/// Where the parts of a message stand in the body it was read from.
#[derive(Default)]
struct Places {
    kind: String,
    /// A file's address is in `link`.
    is_linked: bool,
    /// An interactive message in the Cloud API's form.
    cloud: Option<Value>,
}

impl Places {
    /// Where a content's field stands here: `/content/text` of a text is `/text/text`.
    fn of(&self, pointer: &str) -> String {
        let kind = &self.kind;
        match (pointer.strip_prefix("/content"), &self.cloud) {
            (Some("/type"), _) => "/type".to_owned(),
            (Some("/url"), _) if self.is_linked => format!("/{kind}/link"),
            (Some(rest), Some(cloud)) => format!("/{kind}{}", cloud::pointer(cloud, rest)),
            (Some(rest), None) => format!("/{kind}{rest}"),
            (None, _) => pointer.to_owned(),
        }
    }
}

#[derive(Serialize)]
struct Sent<'a> {
    id: MessageId,
    conversation: ConversationId,
    /// As it was asked for: a list may have become a text and cards.
    #[serde(rename = "type")]
    kind: &'a str,
    status: DeliveryStatus,
}

/// Sends into a conversation: `{type,to,<type>:{…}}`.
pub async fn send<P: Ports>(gateway: &Gateway<P>, call: &Call<'_>) -> Answer {
    let route = Route {
        name: "POST /messages",
        pace: Pace::Queued,
        client_message_id: None,
    };
    let mut places = Places::default();
    let accepted = sending::send(gateway, call, &route, |json| message(json, &mut places)).await;
    let accepted = accepted.map_err(|refusal| refusal.repointed(|pointer| places.of(pointer)))?;
    let is_replay = accepted.is_replay;
    let message = accepted.message.as_accepted();
    let sent = Sent {
        id: message.id,
        conversation: message.conversation_id,
        kind: &places.kind,
        status: message.status,
    };
    let response = json_response(StatusCode::OK, &sent);
    Ok(sending::marked(response, is_replay))
}

#[derive(Serialize)]
struct TemplateSent {
    /// Always true: what is not accepted is answered as every refusal is, with its own
    /// status, and clients take anything but a 200 for a failure.
    accepted: bool,
    id: MessageId,
}

/// Sends a template to a phone number: `{to,template}`.
pub async fn send_template<P: Ports>(gateway: &Gateway<P>, call: &Call<'_>) -> Answer {
    let channel = ChannelId::parse(call.parameter("id"));
    let named = channel.map(|id| id.to_string()).unwrap_or_default();
    let route = Route {
        name: &format!("POST /whatsapp-templates/{named}/send"),
        pace: Pace::Queued,
        client_message_id: None,
    };
    let accepted = sending::send(gateway, call, &route, |json| match channel {
        Some(channel) => template_message(json, channel),
        None => Err(Error::not_found("WhatsApp channel")),
    })
    .await;
    let accepted = accepted.map_err(|refusal| {
        if let super::Refusal::Gateway(Error::NotFound {
            what: "channel", ..
        }) = refusal
        {
            return Error::not_found("WhatsApp channel").into();
        }
        let places = Places {
            kind: TEMPLATE.to_owned(),
            ..Places::default()
        };
        refusal.repointed(|pointer| places.of(pointer))
    })?;
    let sent = TemplateSent {
        accepted: true,
        id: accepted.message.id,
    };
    let response = json_response(StatusCode::OK, &sent);
    Ok(sending::marked(response, accepted.is_replay))
}

/// Reads `{type,to,<type>:{…}}`, and leaves in `places` where its parts stand.
fn message(mut json: Value, places: &mut Places) -> Result<Send, Error> {
    #[derive(Deserialize)]
    struct Wire {
        #[serde(rename = "type")]
        kind: String,
        to: String,
    }
    let given = json.get("type").and_then(Value::as_str).map(str::to_owned);
    let given = given
        .filter(|kind| kind == TEMPLATE || KINDS.contains(&kind.as_str()))
        .and_then(|kind| take(&mut json, &kind));
    let wire: Wire = read(json, "")?;
    places.kind.clone_from(&wire.kind);
    let kind = wire.kind.as_str();
    let pointer = format!("/{kind}");
    let content = if kind == TEMPLATE {
        Draft::Template(template(required(given, &pointer)?)?)
    } else if KINDS.contains(&kind) {
        let given = required(given, &pointer)?;
        content(kind, given, places)?.into()
    } else {
        return Err(Error::invalid(
            "/type",
            "must be one of text, image, video, audio, document, location, interactive and template",
        ));
    };
    Ok(Send::new(
        Sender::default(),
        Recipient::Conversation(wire.to),
        content,
    ))
}

/// Reads a content's own object: in our fields, a file's address also in `link`, an
/// interactive message also as the Cloud API has it. (A pointer below `/content` is brought
/// into this form where the answer is made.)
fn content(kind: &str, mut given: Value, places: &mut Places) -> Result<Content, Error> {
    if !given.is_object() {
        return Err(Error::invalid(format!("/{kind}"), "must be an object"));
    }
    let json = if kind == "interactive" && cloud::is(&given) {
        let ours = cloud::interactive(&given)
            .map_err(|error| error.repointed(|pointer| format!("/interactive{pointer}")))?;
        places.cloud = Some(given);
        ours
    } else {
        let is_given = |field: &str| given.get(field).is_some_and(|value| !value.is_null());
        places.is_linked = !is_given("url") && is_given("link");
        let link = take(&mut given, "link").filter(|_| places.is_linked);
        if let Some(fields) = given.as_object_mut() {
            fields.extend(link.map(|link| ("url".to_owned(), link)));
            fields.insert("type".to_owned(), Value::from(kind));
        }
        given
    };
    content::read(json)
}

/// Reads `{to,template}` for a channel.
fn template_message(mut json: Value, channel: ChannelId) -> Result<Send, Error> {
    #[derive(Deserialize)]
    struct Wire {
        to: String,
    }
    let given = take(&mut json, "template");
    let wire: Wire = read(json, "")?;
    let template = template(required(given, "/template")?)?;
    let from = Sender {
        name: Some(channel.to_string()),
        kind: Some(ChannelKind::Whatsapp),
        or_account: false,
    };
    Ok(Send::new(
        from,
        Recipient::Address(wire.to),
        Draft::Template(template),
    ))
}

fn required(value: Option<Value>, pointer: &str) -> Result<Value, Error> {
    value.ok_or_else(|| Error::invalid(pointer, "is required"))
}

/// Reads a template as Meta has it, by name and language with components, or by our key
/// with variables.
fn template(json: Value) -> Result<TemplateDraft, Error> {
    #[derive(Deserialize)]
    struct Wire {
        name: Option<String>,
        key: Option<String>,
        language: Option<Language>,
        components: Option<Vec<Map<String, Value>>>,
        variables: Option<Map<String, Value>>,
    }
    let wire: Wire = read(json, "/template")?;
    let language = wire.language.map(Language::code);
    let template = match (wire.name, wire.key) {
        (Some(name), None) => TemplateRef::Name { name, language },
        (None, Some(key)) => TemplateRef::Key { key, language },
        (None, None) => return Err(Error::invalid("/template/name", "is required")),
        (Some(_), Some(_)) => {
            let detail = "cannot be given together with name";
            return Err(Error::invalid("/template/key", detail));
        }
    };
    filled(template, wire.components, wire.variables, "/template")
}

/// A language as it is written when a template is sent, or as it is when one is made.
#[derive(Deserialize)]
#[serde(untagged, expecting = "must be such as {\"code\":\"en_US\"}")]
enum Language {
    Sent { code: String },
    Plain(String),
}

impl Language {
    fn code(self) -> String {
        match self {
            Language::Sent { code } | Language::Plain(code) => code,
        }
    }
}
