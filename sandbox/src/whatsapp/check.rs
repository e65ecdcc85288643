//! The rules a WhatsApp message must keep, checked as strictly as Meta checks them.
//!
//! <https://developers.facebook.com/docs/whatsapp/cloud-api/reference/messages>

use http::HeaderMap;
use serde_json::Value;

use super::content::content;
use super::field::Part;
use super::refusal;
use super::template;
use crate::graph::{Refusal, is_json};
use crate::shown::Shown;

const KINDS: [&str; 11] = [
    "text",
    "image",
    "video",
    "audio",
    "document",
    "sticker",
    "location",
    "contacts",
    "reaction",
    "interactive",
    "template",
];

pub(super) enum Request {
    Send(Outbound),
    MarkRead { message_id: String, is_typing: bool },
}

pub(super) struct Outbound {
    /// The recipient as it was written.
    pub input: String,
    /// The digits of a number, a user id or a group id.
    pub person: String,
    pub is_user_id: bool,
    pub is_group: bool,
    pub is_template: bool,
    pub shown: Shown,
    pub reply_to: Option<String>,
    /// The message a reaction is for.
    pub reacts_to: Option<String>,
    pub opaque: Option<String>,
}

/// Reads a body of `POST /{phone_number_id}/messages`.
///
/// `templates` are those of the number's business account.
pub(super) fn request(
    headers: &HeaderMap,
    body: &Value,
    templates: &[Value],
) -> Result<Request, Refusal> {
    let is_json = is_json(headers);
    match body.get("messaging_product") {
        None => return Err(Refusal::required("messaging_product")),
        Some(_) if !is_json => return Err(Refusal::required("messaging_product")),
        Some(product) if product != "whatsapp" => {
            return Err(refusal::invalid(
                "messaging_product",
                "must be one of {WHATSAPP}",
            ));
        }
        Some(_) => {}
    }
    if body.get("status").is_some() {
        return mark_read(body);
    }
    let kind = match body.get("type") {
        None => "text",
        Some(kind) => kind
            .as_str()
            .ok_or_else(|| refusal::invalid("type", "must be a string."))?,
    };
    if !KINDS.contains(&kind) {
        return Err(refusal::unsupported_type(kind));
    }
    if body.get(kind).is_none() {
        return Err(refusal::missing(kind));
    }
    let message = Part::of(
        body,
        "",
        &[
            "messaging_product",
            "recipient_type",
            "to",
            "recipient",
            "context",
            "biz_opaque_callback_data",
            "type",
            kind,
        ],
    )?;
    let (input, person, is_user_id, is_group) = recipient(&message)?;
    let reply_to = match message.maybe_part("context", &["message_id"])? {
        None => None,
        Some(context) => Some(context.text("message_id", 512)?.to_owned()),
    };
    let opaque = message.maybe_text("biz_opaque_callback_data", 512)?;
    let is_template = kind == "template";
    let shown = if is_template {
        template::shown(&message, templates, is_user_id)?
    } else {
        content(&message, kind)?
    };
    let reacts_to = body.pointer("/reaction/message_id").and_then(Value::as_str);
    Ok(Request::Send(Outbound {
        input,
        person,
        is_user_id,
        is_group,
        is_template,
        shown,
        reply_to,
        reacts_to: reacts_to.map(str::to_owned),
        opaque: opaque.map(str::to_owned),
    }))
}

fn mark_read(body: &Value) -> Result<Request, Refusal> {
    let mark = Part::of(
        body,
        "",
        &[
            "messaging_product",
            "status",
            "message_id",
            "typing_indicator",
        ],
    )?;
    mark.one_of("status", &["read"])?;
    let message_id = mark.text("message_id", 512)?;
    if !message_id.starts_with("wamid.") {
        return Err(mark.invalid("message_id", "is not a message id."));
    }
    let typing = mark.maybe_part("typing_indicator", &["type"])?;
    if let Some(typing) = &typing {
        typing.one_of("type", &["text"])?;
    }
    Ok(Request::MarkRead {
        message_id: message_id.to_owned(),
        is_typing: typing.is_some(),
    })
}

/// The recipient as written, as a key, and whether it is a user id or a group. `to` wins.
fn recipient(message: &Part<'_>) -> Result<(String, String, bool, bool), Refusal> {
    let is_group = message.has("recipient_type")
        && message.one_of("recipient_type", &["individual", "group"])? == "group";
    if !message.has("to") {
        if !message.has("recipient") {
            return Err(Refusal::required("to"));
        }
        let user = message.text("recipient", 256)?.to_owned();
        if !is_user_id(&user) {
            return Err(message.invalid("recipient", "is not a business-scoped user id."));
        }
        return Ok((user.clone(), user, true, false));
    }
    let input = message.text("to", 256)?.to_owned();
    if is_group {
        return Ok((input.clone(), input, false, true));
    }
    let digits = input.strip_prefix('+').unwrap_or(&input).to_owned();
    if !(7..=15).contains(&digits.len()) || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(message.invalid("to", "is not a valid phone number."));
    }
    Ok((input, digits, false, false))
}

/// `^[A-Z]{2}\.(ENT\.)?[0-9A-Za-z]{1,128}$`
fn is_user_id(id: &str) -> bool {
    let Some((country, rest)) = id.split_once('.') else {
        return false;
    };
    let rest = rest.strip_prefix("ENT.").unwrap_or(rest);
    country.len() == 2
        && country.bytes().all(|byte| byte.is_ascii_uppercase())
        && (1..=128).contains(&rest.len())
        && rest.bytes().all(|byte| byte.is_ascii_alphanumeric())
}
