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

/// Whether an object is in that form.
pub fn is(json: &Value) -> bool {
    json.get("type").is_some() || json.get("action").is_some()
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
    let at = |pointer: &str| cloud.pointer(pointer).cloned();
    let buttons = cloud
        .pointer("/action/buttons")
        .map(|buttons| match buttons {
            Value::Array(buttons) => buttons.iter().map(button).collect(),
            other => other.clone(),
        });
    let list = cloud.pointer("/action/sections").map(|sections| {
        json!({ "button": at("/action/button").unwrap_or_default(), "sections": sections })
    });
    let page = cloud.pointer("/action/parameters").map(|parameters| {
        json!({ "text": parameters.get("display_text"), "url": parameters.get("url") })
    });
    Ok(content::of(
        "interactive",
        [
            ("kind", Some(json!(kind))),
            ("header", cloud.get("header").map(header)),
            ("body", at("/body/text")),
            ("footer", at("/footer/text")),
            ("buttons", buttons.filter(|_| *kind == "buttons")),
            ("list", list.filter(|_| *kind == "list")),
            ("ctaUrl", page.filter(|_| *kind == "ctaUrl")),
        ],
    ))
}

fn button(button: &Value) -> Value {
    button.get("reply").cloned().unwrap_or_else(|| json!({}))
}

fn header(header: &Value) -> Value {
    let kind = header.get("type").cloned().unwrap_or_default();
    let file = kind.as_str().and_then(|kind| header.get(kind));
    let of_file = |name: &str| {
        file.and_then(|file| file.get(name))
            .filter(|it| it.is_string())
    };
    json!({
        "type": kind,
        "text": header.get("text"),
        "url": of_file("link"),
        "filename": of_file("filename"),
    })
}

/// Where a field of ours stands in the form that was given.
pub fn pointer(cloud: &Value, ours: &str) -> String {
    let parts: Vec<&str> = ours.split('/').skip(1).collect();
    match parts.as_slice() {
        ["kind"] => "/type".to_owned(),
        ["body"] => "/body/text".to_owned(),
        ["footer"] => "/footer/text".to_owned(),
        ["header"] => "/header/text".to_owned(),
        ["header", "url"] => {
            let kind = cloud.pointer("/header/type").and_then(Value::as_str);
            format!("/header/{}/link", kind.unwrap_or("image"))
        }
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
