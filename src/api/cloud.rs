//! Interactive messages in the form of WhatsApp's Cloud API, which two surfaces take over:
//! brought into ours, and our pointers into that form.
//! <https://developers.facebook.com/docs/whatsapp/cloud-api/messages/interactive-reply-buttons-messages>

use super::content;
use crate::gateway::Error;
use serde_json::{Value, json};

/// What an interactive message is called there, and here.
const KINDS: [(&str, &str); 4] = [
    ("button", "buttons"),
    ("list", "list"),
    ("cta_url", "ctaUrl"),
    ("location_request_message", "locationRequest"),
];

/// What a header may be.
const HEADERS: [&str; 4] = ["text", "image", "video", "document"];

/// Whether an object is in that form.
pub fn is(json: &Value) -> bool {
    given(json, "/type").is_some() || given(json, "/action").is_some()
}

/// The same message in our form. An error points into the form that was given.
pub fn interactive(cloud: &Value) -> Result<Value, Error> {
    if !cloud.is_object() {
        return Err(Error::invalid("", "must be an object"));
    }
    let name = cloud.get("type").and_then(Value::as_str).unwrap_or("");
    let Some((_, kind)) = KINDS.iter().find(|(theirs, _)| *theirs == name) else {
        let names: Vec<&str> = KINDS.iter().map(|(theirs, _)| *theirs).collect();
        let detail = format!("must be one of {}", names.join(", "));
        return Err(Error::invalid("/type", detail));
    };
    let at = |pointer: &str| given(cloud, pointer).cloned();
    let buttons = at("/action/buttons").map(|buttons| content::each(buttons, button));
    let list = at("/action/sections").map(|sections| {
        content::fields([
            ("button", at("/action/button")),
            ("sections", Some(sections)),
        ])
    });
    let page = at("/action/parameters").map(|_| {
        content::fields([
            ("text", at("/action/parameters/display_text")),
            ("url", at("/action/parameters/url")),
        ])
    });
    let header = match given(cloud, "/header") {
        Some(header) => Some(self::header(header)?),
        None => None,
    };
    let footer = match given(cloud, "/footer") {
        Some(footer) => Some(text(footer, "/text", "/footer")?),
        None => None,
    };
    Ok(content::of(
        "interactive",
        [
            ("kind", Some(json!(kind))),
            ("header", header),
            ("body", at("/body/text")),
            ("footer", footer),
            ("buttons", buttons.filter(|_| *kind == "buttons")),
            ("list", list.filter(|_| *kind == "list")),
            ("ctaUrl", page.filter(|_| *kind == "ctaUrl")),
        ],
    ))
}

/// What stands somewhere, unless that is `null`.
fn given<'a>(json: &'a Value, pointer: &str) -> Option<&'a Value> {
    json.pointer(pointer).filter(|value| !value.is_null())
}

/// A text that must be there; what it is part of stands at `base`.
fn text(json: &Value, pointer: &str, base: &str) -> Result<Value, Error> {
    let detail = match given(json, pointer) {
        Some(text) if text.is_string() => return Ok(text.clone()),
        Some(_) => "must be text",
        None => "is required",
    };
    Err(Error::invalid(format!("{base}{pointer}"), detail))
}

fn button(button: Value) -> Value {
    match button.get("reply") {
        Some(reply) if !reply.is_object() => reply.clone(),
        reply => {
            let field = |name: &str| reply?.get(name).cloned();
            content::fields([("id", field("id")), ("title", field("title"))])
        }
    }
}

fn header(header: &Value) -> Result<Value, Error> {
    let kind = header.get("type").and_then(Value::as_str).unwrap_or("");
    if !HEADERS.contains(&kind) {
        let detail = format!("must be one of {}", HEADERS.join(", "));
        return Err(Error::invalid("/header/type", detail));
    }
    let of_file = |name: &str| format!("/{kind}/{name}");
    let (said, url) = if kind == "text" {
        (Some(text(header, "/text", "/header")?), None)
    } else {
        (None, Some(text(header, &of_file("link"), "/header")?))
    };
    let filename = of_file("filename");
    let filename = match given(header, &filename) {
        Some(_) => Some(text(header, &filename, "/header")?),
        None => None,
    };
    Ok(content::fields([
        ("type", Some(Value::from(kind))),
        ("text", said),
        ("url", url),
        ("filename", filename),
    ]))
}

/// Where a field of ours stands in the form that was given.
pub fn pointer(cloud: &Value, ours: &str) -> String {
    let parts: Vec<&str> = ours.split('/').skip(1).collect();
    let kind = cloud.pointer("/header/type").and_then(Value::as_str);
    let kind = kind.unwrap_or("");
    match parts.as_slice() {
        ["kind"] => "/type".to_owned(),
        ["body"] => "/body/text".to_owned(),
        ["footer"] => "/footer/text".to_owned(),
        ["header"] if kind == "text" => "/header/text".to_owned(),
        ["header", "url"] => format!("/header/{kind}/link"),
        ["buttons"] => "/action/buttons".to_owned(),
        ["buttons", at, rest @ ..] => {
            format!("/action/buttons/{at}/reply{}", joined(rest))
        }
        ["list"] => "/action/sections".to_owned(),
        ["list", rest @ ..] => format!("/action{}", joined(rest)),
        ["ctaUrl", "text"] => "/action/parameters/display_text".to_owned(),
        ["ctaUrl", rest @ ..] => format!("/action/parameters{}", joined(rest)),
        _ => ours.to_owned(),
    }
}

fn joined(parts: &[&str]) -> String {
    parts.iter().map(|part| format!("/{part}")).collect()
}
