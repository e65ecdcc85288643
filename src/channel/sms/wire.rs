//! Twilio's forms: the body of a send, inbound messages and status callbacks.

use super::super::{
    Consent, FileRef, Inbound, InboundMessage, Outbound, Reason, SendError, Sender, StatusReport,
    lenient, not_carried,
};
use super::number;
use crate::model::contact::{Address, Identity, IdentityKind};
use crate::model::content::{Content, Location, Media, Reply};
use crate::model::id::MessageId;
use crate::model::message::DeliveryStatus;
use serde_json::Value;
use std::collections::HashMap;

/// The query parameter that brings our own id back with every status, so that an unclear
/// send settles itself.
const MESSAGE: &str = "message";

/// The body of a send: a text, or a file with its caption.
/// <https://www.twilio.com/docs/messaging/api/message-resource#create-a-message>
pub fn body(send: &Outbound<'_>) -> Result<String, SendError> {
    let media = send.content.media();
    let text = match (send.content, media) {
        (Content::Text(text), _) => Some(text.text.as_str()),
        (_, Some(media)) => media.caption.as_deref(),
        (content, None) => return Err(not_carried(content)),
    };
    let callback = format!("{}?{MESSAGE}={}", send.inbound_url, send.message_id);
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    form.append_pair("To", &send.to.0);
    form.append_pair("From", &send.channel.identifier);
    if let Some(text) = text {
        form.append_pair("Body", text);
    }
    if let Some(media) = media {
        form.append_pair("MediaUrl", &media.url);
    }
    form.append_pair("StatusCallback", &callback);
    Ok(form.finish())
}

/// What a code of Twilio's means, in an answer or in a status.
pub fn reason(code: Option<i64>, message: Option<String>) -> Reason {
    Reason {
        code: match code {
            Some(21610) => "opted_out",
            Some(_) | None => "provider_rejected",
        },
        provider_code: code.map(|code| code.to_string()),
        message: message.unwrap_or_else(|| match code {
            Some(code) => format!("See https://www.twilio.com/docs/api/errors/{code}"),
            None => "The provider gave no reason.".to_owned(),
        }),
    }
}

/// The fields of a form: the first of each name, without the empty ones.
struct Form(HashMap<String, String>);

impl Form {
    fn parse(form: &[u8]) -> Self {
        let mut fields = HashMap::new();
        for (name, value) in url::form_urlencoded::parse(form) {
            if !value.is_empty() {
                fields
                    .entry(name.into_owned())
                    .or_insert_with(|| value.into_owned());
            }
        }
        Self(fields)
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// The first of several names that is there.
    fn any(&self, names: &[&str]) -> Option<&str> {
        names.iter().find_map(|name| self.get(name))
    }
}

/// Reads one form. Messages and statuses come to one URL: a status names itself.
pub fn read(query: &str, body: &[u8]) -> Vec<Inbound> {
    let form = Form::parse(body);
    let names = ["MessageStatus", "SmsStatus"];
    let is_inbound = |status: &str| matches!(status, "received" | "receiving");
    let status = form.any(&names).map(str::trim);
    match status.filter(|status| !is_inbound(status)) {
        Some(status) => vec![report(query, &form, status)],
        None => {
            let consent = consent(&form);
            messages(&form).into_iter().chain(consent).collect()
        }
    }
}

/// What the sender said of being written to: as Twilio tells, or by the words it acts on.
/// <https://www.twilio.com/docs/messaging/tutorials/advanced-opt-out>
fn consent(form: &Form) -> Option<Inbound> {
    let body = form.get("Body").unwrap_or("").trim().to_ascii_uppercase();
    let is_given = match form.get("OptOutType").unwrap_or(&body) {
        "START" | "UNSTOP" | "YES" => true,
        "STOP" | "STOPALL" | "UNSUBSCRIBE" | "CANCEL" | "END" | "QUIT" | "REVOKE" | "OPTOUT" => {
            false
        }
        _ => return None,
    };
    let from = number(person(form), 8)?;
    Some(Inbound::Consent(Consent {
        address: Address(from),
        is_given,
        at: None,
    }))
}

/// A text, or its files, the first with the text as its caption: a message each.
/// <https://www.twilio.com/docs/messaging/guides/webhook-request>
fn messages(form: &Form) -> Vec<Inbound> {
    let Some(sid) = form.any(&["MessageSid", "SmsMessageSid", "SmsSid"]) else {
        return vec![Inbound::Ignored("message without sid".to_owned())];
    };
    let from = person(form);
    let from = number(from, 8).unwrap_or_else(|| from.trim().to_owned());
    if from.is_empty() {
        return vec![Inbound::Ignored("message without sender".to_owned())];
    }
    let message = |at: usize, content: Content, file: Option<FileRef>| {
        Inbound::Message(InboundMessage {
            provider_message_id: match at {
                0 => sid.to_owned(),
                at => format!("{sid}:{at}"),
            },
            from: Sender {
                address: Address(from.clone()),
                name: form.get("ProfileName").map(str::to_owned),
                identities: vec![Identity {
                    kind: IdentityKind::Phone,
                    value: from.clone(),
                }],
            },
            sent_at: None,
            content,
            file,
            reply_to: None,
            metadata: None,
        })
    };
    let text = form.get("Body").unwrap_or("").replace('\0', "");
    let files = files(form);
    if files.is_empty() {
        let count = form.get("NumMedia").and_then(|count| count.parse().ok());
        let content = if text.is_empty() && count.unwrap_or(0_u32) > 0 {
            Content::unsupported("media")
        } else {
            pressed(form)
                .or_else(|| location(form))
                .unwrap_or_else(|| Content::text_of(text))
        };
        return vec![message(0, content, None)];
    }
    let files = files.into_iter().enumerate().map(|(at, (url, kind))| {
        let media = Media {
            caption: (at == 0 && !text.is_empty()).then(|| text.clone()),
            mime_type: kind.clone(),
            ..Media::default()
        };
        let kind = kind.unwrap_or_default();
        let content = match kind.split('/').next() {
            Some("image") => Content::Image(media),
            Some("video") => Content::Video(media),
            Some("audio") => Content::Audio(media),
            Some(_) | None => Content::Document(media),
        };
        message(at, content, Some(FileRef::Url(url)))
    });
    files.collect()
}

/// Who wrote: by RCS as by SMS.
fn person(form: &Form) -> &str {
    let from = form.get("From").unwrap_or("");
    from.strip_prefix("rcs:").unwrap_or(from)
}

/// A button pressed in a message that came by RCS.
fn pressed(form: &Form) -> Option<Content> {
    let id = form.get("ButtonPayload")?;
    Some(Content::Reply(Reply {
        id: id.to_owned(),
        title: form.get("ButtonText").unwrap_or(id).to_owned(),
        description: None,
    }))
}

/// A place, which comes by RCS.
fn location(form: &Form) -> Option<Content> {
    let degrees = |name: &str| lenient::number(Some(&Value::from(form.get(name)?)));
    Some(Content::Location(Location {
        latitude: degrees("Latitude")?,
        longitude: degrees("Longitude")?,
        name: form.get("Label").map(str::to_owned),
        address: form.get("Address").map(str::to_owned),
    }))
}

/// As many as Twilio puts into one message.
const MOST_FILES: usize = 10;

/// The addresses of the files, each with what it is said to be.
fn files(form: &Form) -> Vec<(String, Option<String>)> {
    let all = (0..MOST_FILES).filter_map(|at| {
        let url = form.get(&format!("MediaUrl{at}"))?;
        let kind = form.get(&format!("MediaContentType{at}"));
        Some((url.to_owned(), kind.map(str::to_owned)))
    });
    all.collect()
}

/// <https://www.twilio.com/docs/messaging/guides/track-outbound-message-status>
fn report(query: &str, form: &Form, name: &str) -> Inbound {
    let status = match name {
        "sent" => DeliveryStatus::Sent,
        "delivered" => DeliveryStatus::Delivered,
        "read" => DeliveryStatus::Read,
        "failed" | "undelivered" | "canceled" => DeliveryStatus::Failed,
        _ => {
            let name: String = name.chars().take(40).collect();
            return Inbound::Ignored(format!("status {name}"));
        }
    };
    let Some(sid) = form.any(&["MessageSid", "SmsSid", "SmsMessageSid"]) else {
        return Inbound::Ignored("status without sid".to_owned());
    };
    let our_id = url::form_urlencoded::parse(query.as_bytes())
        .find(|(name, _)| name == MESSAGE)
        .and_then(|(_, id)| MessageId::parse(&id));
    let code = form.get("ErrorCode").and_then(|code| code.parse().ok());
    let canceled = (name == "canceled").then_some("Canceled at the provider.");
    let told = form.get("ErrorMessage").or(canceled).map(str::to_owned);
    Inbound::Status(StatusReport {
        provider_message_id: sid.to_owned(),
        message_id: our_id,
        status,
        at: None,
        error: (status == DeliveryStatus::Failed).then(|| reason(code, told)),
        pricing: None,
    })
}
