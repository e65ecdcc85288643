//! Filling a template from named variables. Meta answers wrong parameters with 132000 and
//! the like only after a message was accepted; here they are refused before.
//! <https://developers.facebook.com/docs/whatsapp/cloud-api/guides/send-message-templates>

use super::super::{Filled, Invalid};
use super::components;
use super::filled::{
    LONGEST_HEADER, check_button_text, check_length, check_text, longest_body, rendered,
};
use super::template::{Button, Form, Header, header_name, is_number, placeholders};
use crate::model::json;
use crate::model::template::{TemplateDraft, TemplateRecord};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// What is sent for a draft, and the body as a person reads it.
pub fn fill(template: &TemplateRecord, draft: &TemplateDraft) -> Result<Filled, Invalid> {
    let form = Form::of(&template.components);
    match (&draft.components, &draft.variables) {
        (Some(components), _) => components::check(&form, components),
        (None, Some(variables)) => compiled(&form, template, variables),
        (None, None) => {
            let names = names(&form, template);
            if names.is_empty() {
                return compiled(&form, template, &Map::new());
            }
            Err(Invalid::new(
                "/variables",
                format!("is required: {}", counted(&names)),
            ))
        }
    }
}

/// What the template's variables are called. (A list that does not fit is of another
/// version of the template.)
fn names(form: &Form<'_>, template: &TemplateRecord) -> Vec<String> {
    let own = form.variables();
    if template.variables.len() == own.len() {
        template.variables.clone()
    } else {
        own
    }
}

fn counted(names: &[String]) -> String {
    match names {
        [] => "the template has no variables".to_owned(),
        [only] => format!("the template has 1 variable: {only}"),
        several => format!(
            "the template has {} variables: {}",
            several.len(),
            several.join(", ")
        ),
    }
}

/// A variable's value, and where it stands.
struct Given {
    text: String,
    pointer: String,
}

/// Makes components of variables.
fn compiled(
    form: &Form<'_>,
    template: &TemplateRecord,
    variables: &Map<String, Value>,
) -> Result<Filled, Invalid> {
    if let Some(part) = only_in_components(form) {
        return Err(Invalid::new(
            "/components",
            format!("is required: variables cannot fill this template's {part}"),
        ));
    }
    let names = names(form, template);
    if let Some(unknown) = variables.keys().find(|name| !names.contains(name)) {
        return Err(Invalid::new(
            at_variable(unknown),
            format!("is no variable of it: {}", counted(&names)),
        ));
    }
    let mut given = BTreeMap::new();
    for (own, name) in form.variables().into_iter().zip(&names) {
        let pointer = at_variable(name);
        let text = match variables.get(name) {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Number(number)) => number.to_string(),
            None | Some(Value::Null) => return Err(Invalid::new(pointer, "is required")),
            Some(Value::Bool(_) | Value::Array(_) | Value::Object(_)) => {
                return Err(Invalid::new(pointer, "must be text or a number"));
            }
        };
        check_text(&text, &pointer)?;
        given.insert(own, Given { text, pointer });
    }
    compile(form, &given)
}

fn compile(form: &Form<'_>, given: &BTreeMap<String, Given>) -> Result<Filled, Invalid> {
    let text_of = |name: &str| given.get(name).map_or("", |given| given.text.as_str());
    let mut components = Vec::new();
    match &form.header {
        Header::Text(text) => {
            let tokens = placeholders(text);
            let parameters: Vec<Value> = tokens
                .iter()
                .map(|token| parameter(token, text_of(&header_name(token))))
                .collect();
            if !parameters.is_empty() {
                let filled = rendered(text, |token| text_of(&header_name(token)));
                let names = tokens.iter().map(|token| header_name(token));
                check_length(&filled, LONGEST_HEADER, "header", || at_only(given, names))?;
                components.push(json!({ "type": "header", "parameters": parameters }));
            }
        }
        Header::Media(kind) => {
            if let Some(Given { text, pointer }) = given.get(&format!("header.{kind}")) {
                let is_link = url::Url::parse(text).is_ok_and(|url| url.scheme() == "https");
                if !is_link {
                    return Err(Invalid::new(
                        pointer.clone(),
                        format!("must be the https address of the {kind}"),
                    ));
                }
                let parameter = json!({ "type": kind, (*kind): { "link": text } });
                components.push(json!({ "type": "header", "parameters": [parameter] }));
            }
        }
        Header::None | Header::Location | Header::Product | Header::Other => {}
    }
    let tokens = placeholders(form.body);
    let parameters: Vec<Value> = tokens
        .iter()
        .map(|token| parameter(token, text_of(token)))
        .collect();
    let text = rendered(form.body, text_of);
    if !parameters.is_empty() {
        let names = tokens.iter().map(|token| (*token).to_owned());
        check_length(&text, longest_body(form), "body", || at_only(given, names))?;
        components.push(json!({ "type": "body", "parameters": parameters }));
    }
    for (index, button) in form.buttons.iter().enumerate() {
        let Some(name) = button.variable(index, form) else {
            continue;
        };
        if let Some(Given { text, pointer }) = given.get(&name) {
            check_button_text(button, text, pointer)?;
        }
        let (sub_type, parameter) = match button {
            Button::Coupon => (
                "copy_code",
                json!({ "type": "coupon_code", "coupon_code": text_of(&name) }),
            ),
            Button::Url(_) | Button::Code | Button::QuickReply | Button::Other(_) => {
                ("url", json!({ "type": "text", "text": text_of(&name) }))
            }
        };
        components.push(json!({
            "type": "button", "sub_type": sub_type, "index": index.to_string(),
            "parameters": [parameter],
        }));
    }
    Ok(Filled { components, text })
}

/// Where the only one of some variables stands, or all of them.
fn at_only(given: &BTreeMap<String, Given>, names: impl Iterator<Item = String>) -> String {
    let mut pointers = names
        .filter_map(|name| given.get(&name))
        .map(|it| &it.pointer);
    match (pointers.next(), pointers.next()) {
        (Some(only), None) => only.clone(),
        _ => "/variables".to_owned(),
    }
}

/// The part that has no variable, where the template has one.
fn only_in_components(form: &Form<'_>) -> Option<String> {
    if let Some(part) = form.other {
        return Some(part.replace('_', " "));
    }
    match form.header {
        Header::Location => return Some("header, which is a place".to_owned()),
        Header::Product => return Some("header, which is a product".to_owned()),
        Header::None | Header::Text(_) | Header::Media(_) | Header::Other => {}
    }
    form.buttons.iter().find_map(|button| match button {
        Button::Other(kind) if button.needs_component() => {
            Some(format!("{} button", kind.replace('_', " ")))
        }
        Button::Other(_) | Button::Url(_) | Button::Code | Button::Coupon | Button::QuickReply => {
            None
        }
    })
}

fn parameter(token: &str, text: &str) -> Value {
    if is_number(token) {
        json!({ "type": "text", "text": text })
    } else {
        json!({ "type": "text", "parameter_name": token, "text": text })
    }
}

fn at_variable(name: &str) -> String {
    format!("/variables{}", json::step(name))
}
