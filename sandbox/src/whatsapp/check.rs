//! The rules a WhatsApp message must keep, checked as strictly as Meta checks them.
//!
//! <https://developers.facebook.com/docs/whatsapp/cloud-api/reference/messages>

use std::collections::BTreeSet;

use http::HeaderMap;
use serde_json::Value;

use super::refusal;
use super::template;
use crate::graph::{Refusal, is_json};

pub(super) enum Request {
    Send(Outbound),
    MarkRead { message_id: String },
}

pub(super) struct Outbound {
    /// The recipient as it was written.
    pub input: String,
    /// The digits of a number, a user id or a group id.
    pub person: String,
    pub is_user_id: bool,
    pub is_group: bool,
    pub kind: String,
    /// What the phone shows.
    pub text: Option<String>,
    pub reply_to: Option<String>,
    pub opaque: Option<String>,
}

impl Outbound {
    pub(super) fn is_template(&self) -> bool {
        self.kind == "template"
    }
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
    if let Some(status) = body.get("status") {
        return mark_read(status, body);
    }
    let kind = match body.get("type") {
        None => "text",
        Some(kind) => kind
            .as_str()
            .ok_or_else(|| refusal::invalid("type", "must be a string."))?,
    };
    let (input, person, is_user_id, is_group) = recipient(body)?;
    let reply_to = match body.get("context") {
        None => None,
        Some(context) => Some(string(
            context,
            "/message_id",
            "context['message_id']",
            512,
        )?),
    };
    let opaque = match body.get("biz_opaque_callback_data") {
        None => None,
        Some(_) => Some(string(
            body,
            "/biz_opaque_callback_data",
            "biz_opaque_callback_data",
            512,
        )?),
    };
    Ok(Request::Send(Outbound {
        text: match kind {
            "template" => Some(template::text(body, templates, is_user_id)?),
            kind => content(body, kind)?,
        },
        input,
        person,
        is_user_id,
        is_group,
        kind: kind.to_owned(),
        reply_to,
        opaque,
    }))
}

fn mark_read(status: &Value, body: &Value) -> Result<Request, Refusal> {
    if status != "read" {
        return Err(refusal::invalid("status", "must be one of {READ}"));
    }
    let message_id = string(body, "/message_id", "message_id", 512)?;
    if !message_id.starts_with("wamid.") {
        return Err(refusal::invalid("message_id", "is not a message id."));
    }
    if let Some(typing) = body.get("typing_indicator")
        && typing.get("type").and_then(Value::as_str) != Some("text")
    {
        return Err(refusal::invalid(
            "typing_indicator['type']",
            "must be one of {TEXT}",
        ));
    }
    Ok(Request::MarkRead { message_id })
}

/// The recipient as written, as a key, and whether it is a user id or a group. `to` wins.
fn recipient(body: &Value) -> Result<(String, String, bool, bool), Refusal> {
    let is_group = match body.get("recipient_type").map(|kind| kind.as_str()) {
        None | Some(Some("individual")) => false,
        Some(Some("group")) => true,
        Some(_) => {
            return Err(refusal::invalid(
                "recipient_type",
                "must be one of {INDIVIDUAL, GROUP}",
            ));
        }
    };
    if body.get("to").is_none() {
        if body.get("recipient").is_none() {
            return Err(Refusal::required("to"));
        }
        let user = string(body, "/recipient", "recipient", 256)?;
        if !is_user_id(&user) {
            return Err(refusal::invalid(
                "recipient",
                "is not a business-scoped user id.",
            ));
        }
        return Ok((user.clone(), user, true, false));
    }
    let input = string(body, "/to", "to", 256)?;
    if is_group {
        return Ok((input.clone(), input, false, true));
    }
    let digits = input.strip_prefix('+').unwrap_or(&input).to_owned();
    if !(7..=15).contains(&digits.len()) || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(refusal::invalid("to", "is not a valid phone number."));
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

/// Checks what a type must carry. Answers what the phone shows of it.
fn content(body: &Value, kind: &str) -> Result<Option<String>, Refusal> {
    if !KINDS.contains(&kind) {
        return Err(refusal::unsupported_type(kind));
    }
    let part = body.get(kind).ok_or_else(|| refusal::missing(kind))?;
    match kind {
        "text" => string(part, "/body", "text['body']", 4096).map(Some),
        "location" => {
            number(part, "latitude", 90.0)?;
            number(part, "longitude", 180.0)?;
            optional(part, "/name", "location['name']", 1000)
        }
        "contacts" => contacts(part).map(Some),
        "reaction" => {
            string(part, "/message_id", "reaction['message_id']", 512)?;
            let emoji = part
                .get("emoji")
                .ok_or_else(|| refusal::missing("reaction['emoji']"))?;
            match emoji.as_str() {
                Some(emoji) => Ok(Some(emoji.to_owned())),
                None => Err(refusal::invalid("reaction['emoji']", "must be a string.")),
            }
        }
        "interactive" => interactive(part),
        media => {
            let from_id = part.get("id").is_some();
            if !from_id && part.get("link").is_none() {
                return Err(refusal::missing(&format!("{media}['id']")));
            }
            if from_id {
                string(part, "/id", &format!("{media}['id']"), 512)?;
            } else {
                let link = string(part, "/link", &format!("{media}['link']"), 4096)?;
                if !link.starts_with("http://") && !link.starts_with("https://") {
                    return Err(refusal::invalid(
                        &format!("{media}['link']"),
                        "is not a valid URI.",
                    ));
                }
            }
            optional(part, "/caption", &format!("{media}['caption']"), 1024)
        }
    }
}

const KINDS: [&str; 10] = [
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
];

fn contacts(part: &Value) -> Result<String, Refusal> {
    let cards = part.as_array().filter(|cards| !cards.is_empty());
    let cards = cards.ok_or_else(|| refusal::invalid("contacts", "must be a non-empty array."))?;
    let names = cards.iter().map(|card| {
        string(
            card,
            "/name/formatted_name",
            "contacts['name']['formatted_name']",
            1024,
        )
    });
    Ok(names.collect::<Result<Vec<_>, _>>()?.join(", "))
}

fn interactive(part: &Value) -> Result<Option<String>, Refusal> {
    let kind = string(part, "/type", "interactive['type']", 64)?;
    let action = part
        .get("action")
        .ok_or_else(|| refusal::missing("interactive['action']"))?;
    match kind.as_str() {
        "button" => buttons(action)?,
        "list" => list(action)?,
        "cta_url" => {
            let parameter = "interactive['action']['parameters']";
            string(action, "/parameters/display_text", parameter, 20)?;
            string(action, "/parameters/url", parameter, 2000)?;
        }
        "location_request_message"
        | "flow"
        | "product"
        | "product_list"
        | "catalog_message"
        | "order_details"
        | "order_status"
        | "address_message"
        | "voice_call" => {}
        _ => {
            return Err(refusal::invalid(
                "interactive['type']",
                "is not a known type.",
            ));
        }
    }
    optional(part, "/header/text", "interactive['header']['text']", 60)?;
    optional(part, "/footer/text", "interactive['footer']['text']", 60)?;
    if kind == "product" {
        return optional(part, "/body/text", "interactive['body']['text']", 1024);
    }
    let most = if kind == "list" { 4096 } else { 1024 };
    string(part, "/body/text", "interactive['body']['text']", most).map(Some)
}

fn buttons(action: &Value) -> Result<(), Refusal> {
    let parameter = "interactive['action']['buttons']";
    let buttons = items(action, "buttons", parameter, 3)?;
    let mut ids = BTreeSet::new();
    for button in buttons {
        if !ids.insert(string(button, "/reply/id", parameter, 256)?) {
            return Err(refusal::invalid(parameter, "has a duplicated id."));
        }
        string(button, "/reply/title", parameter, 20)?;
    }
    Ok(())
}

fn list(action: &Value) -> Result<(), Refusal> {
    string(action, "/button", "interactive['action']['button']", 20)?;
    let parameter = "interactive['action']['sections']";
    let sections = items(action, "sections", parameter, 10)?;
    let mut rows = 0;
    for section in sections {
        if sections.len() > 1 {
            string(section, "/title", parameter, 24)?;
        }
        for row in items(section, "rows", parameter, 10)? {
            rows += 1;
            string(row, "/id", parameter, 200)?;
            string(row, "/title", parameter, 24)?;
            optional(row, "/description", parameter, 72)?;
        }
    }
    if rows > 10 {
        return Err(refusal::invalid(parameter, "has more than 10 rows."));
    }
    Ok(())
}

fn items<'a>(
    part: &'a Value,
    name: &str,
    parameter: &str,
    most: usize,
) -> Result<&'a [Value], Refusal> {
    let items = part.get(name).ok_or_else(|| refusal::missing(parameter))?;
    match items.as_array() {
        Some(items) if (1..=most).contains(&items.len()) => Ok(items),
        _ => Err(refusal::invalid(
            parameter,
            &format!("must have 1 to {most} items."),
        )),
    }
}

fn number(part: &Value, name: &str, most: f64) -> Result<f64, Refusal> {
    let parameter = format!("location['{name}']");
    let value = part.get(name).ok_or_else(|| refusal::missing(&parameter))?;
    let number = match value {
        Value::String(text) => text.parse().ok(),
        other => other.as_f64(),
    };
    number
        .filter(|number| number.abs() <= most)
        .ok_or_else(|| refusal::invalid(&parameter, "is not a valid coordinate."))
}

fn optional(
    part: &Value,
    pointer: &str,
    parameter: &str,
    most: usize,
) -> Result<Option<String>, Refusal> {
    match part.pointer(pointer) {
        None | Some(Value::Null) => Ok(None),
        Some(_) => string(part, pointer, parameter, most).map(Some),
    }
}

/// A string of 1 to `most` characters.
pub(super) fn string(
    part: &Value,
    pointer: &str,
    parameter: &str,
    most: usize,
) -> Result<String, Refusal> {
    let value = part
        .pointer(pointer)
        .ok_or_else(|| refusal::missing(parameter))?;
    let text = value
        .as_str()
        .ok_or_else(|| refusal::invalid(parameter, "must be a string."))?;
    if text.is_empty() || text.chars().count() > most {
        let why = format!("must be a string of 1 to {most} characters.");
        return Err(refusal::invalid(parameter, &why));
    }
    Ok(text.to_owned())
}
