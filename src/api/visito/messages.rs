//! The two ways to send: into a conversation, and a template to a phone number.

use super::{Answer, Call, json_response, read, take};
use crate::api::sending::{self, Route};
use crate::api::template::filled;
use crate::channel::Invalid;
use crate::gateway::{Draft, Error, Gateway, Pace, Ports, Recipient, Send, Sender};
use crate::model::channel::ChannelKind;
use crate::model::content::Content;
use crate::model::id::{ChannelId, ConversationId, MessageId};
use crate::model::message::DeliveryStatus;
use crate::model::template::{TemplateDraft, TemplateRef};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Kinds of the documented list that cannot be sent yet; they are refused by name.
const NOT_SENDABLE: [&str; 6] = [
    "image",
    "video",
    "audio",
    "document",
    "location",
    "interactive",
];

#[derive(Serialize)]
struct Sent {
    id: MessageId,
    conversation: ConversationId,
    #[serde(rename = "type")]
    kind: &'static str,
    status: DeliveryStatus,
}

/// Sends into a conversation: `{type,to,<type>:{…}}`.
pub async fn send<P: Ports>(gateway: &Gateway<P>, call: &Call<'_>) -> Answer {
    let route = Route {
        name: "POST /messages",
        pace: Pace::Queued,
        client_message_id: None,
    };
    let mut kind = String::new();
    let accepted = sending::send(gateway, call, &route, |json| message(json, &mut kind)).await;
    let accepted =
        accepted.map_err(|refusal| refusal.repointed(|pointer| of_content(pointer, &kind)))?;
    let is_replay = accepted.is_replay;
    let message = accepted.message.as_accepted();
    let sent = Sent {
        id: message.id,
        conversation: message.conversation_id,
        kind: message.content.kind(),
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
        refusal.repointed(|pointer| of_content(pointer, "template"))
    })?;
    let sent = TemplateSent {
        accepted: true,
        id: accepted.message.id,
    };
    let response = json_response(StatusCode::OK, &sent);
    Ok(sending::marked(response, accepted.is_replay))
}

/// Where a content's field stands here: `/content/text` of a text is `/text/text`.
fn of_content(pointer: &str, kind: &str) -> String {
    match pointer.strip_prefix("/content") {
        Some("/type") => "/type".to_owned(),
        Some(rest) => format!("/{kind}{rest}"),
        None => pointer.to_owned(),
    }
}

/// Reads `{type,to,<type>:{…}}`, and leaves its type in `kind`.
fn message(mut json: Value, kind: &mut String) -> Result<Send, Error> {
    #[derive(Deserialize)]
    struct Wire {
        #[serde(rename = "type")]
        kind: String,
        to: String,
    }
    #[derive(Deserialize)]
    struct Text {
        text: String,
    }
    let [text, given_template] = ["text", "template"].map(|field| take(&mut json, field));
    let wire: Wire = read(json, "")?;
    kind.clone_from(&wire.kind);
    let content = match wire.kind.as_str() {
        "text" => {
            let text: Text = read(required(text, "/text")?, "/text")?;
            Draft::Content(Content::Text {
                text: text.text,
                preview_url: None,
            })
        }
        "template" => Draft::Template(template(required(given_template, "/template")?)?),
        kind if NOT_SENDABLE.contains(&kind) => {
            let detail = format!("{kind} cannot be sent yet");
            return Err(Error::UnsupportedContent(Invalid::new("/type", detail)));
        }
        _ => {
            return Err(Error::invalid(
                "/type",
                "must be one of text, image, video, audio, document, location, interactive and template",
            ));
        }
    };
    Ok(Send::new(
        Sender::default(),
        Recipient::Conversation(wire.to),
        content,
    ))
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
