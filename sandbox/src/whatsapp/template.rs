//! A template as it is sent: it must exist, be approved, and get exactly the parameters it has.
//!
//! <https://developers.facebook.com/docs/whatsapp/cloud-api/guides/send-message-templates>

use std::collections::BTreeMap;

use serde_json::Value;

use super::check::string;
use super::refusal::{invalid, missing, of_code};
use crate::graph::Refusal;

/// The longest body Meta sends, with its parameters filled in.
const BODY_CHARACTERS: usize = 1024;

/// Checks a message of type `template` against those of the business account. Answers the body it makes.
///
/// 1. The template must exist in the language and be approved.
/// 2. Only what the template has may get parameters.
/// 3. Header, body and buttons get as many as they have, of the right type.
pub(super) fn text(
    message: &Value,
    templates: &[Value],
    to_user_id: bool,
) -> Result<String, Refusal> {
    // 1.
    let part = message.get("template").ok_or_else(|| missing("template"))?;
    let language = string(part, "/language/code", "template['language']['code']", 32)?;
    let name = string(part, "/name", "template['name']", 512)?;
    let template = templates
        .iter()
        .find(|template| template["name"] == name.as_str() && template["language"] == *language)
        .ok_or_else(|| {
            let details = format!("template name ({name}) does not exist in {language}");
            of_code(132_001, details)
        })?;
    match template["status"].as_str().unwrap_or_default() {
        "APPROVED" => {}
        "PAUSED" => {
            return Err(of_code(
                132_015,
                format!("template name ({name}) is paused"),
            ));
        }
        "DISABLED" => {
            let details = format!("template name ({name}) is disabled");
            return Err(of_code(132_016, details));
        }
        status => {
            let details = format!("template name ({name}) is {status} in {language}");
            return Err(of_code(132_001, details));
        }
    }
    if to_user_id && template["category"] == "AUTHENTICATION" {
        let details = "Authentication templates cannot be sent to a business-scoped user id.";
        return Err(of_code(131_062, details));
    }

    // 2.
    let given = Given::read(part)?;
    let is_named = template["parameter_format"] == "NAMED";

    // 3.
    check_header(component(template, "HEADER"), given.header, is_named)?;
    check_buttons(component(template, "BUTTONS"), &given.buttons)?;
    let body = component(template, "BODY").and_then(|body| body["text"].as_str());
    let body = body.unwrap_or_default();
    let values = values("body", body, parameters(given.body)?, is_named)?;
    let filled = fill(body, &values);
    if filled.chars().count() > BODY_CHARACTERS {
        return Err(of_code(132_005, "Translated text too long"));
    }
    Ok(filled)
}

/// The parameters of a message, by the part of the template they are for.
#[derive(Default)]
struct Given<'a> {
    header: Option<&'a Value>,
    body: Option<&'a Value>,
    buttons: BTreeMap<usize, &'a Value>,
}

impl<'a> Given<'a> {
    fn read(part: &'a Value) -> Result<Self, Refusal> {
        let mut given = Self::default();
        let components = match part.get("components") {
            None | Some(Value::Null) => return Ok(given),
            Some(components) => components
                .as_array()
                .ok_or_else(|| invalid("template['components']", "must be an array."))?,
        };
        for component in components {
            let parameter = "template['components']['type']";
            let kind = string(component, "/type", parameter, 32)?;
            let earlier = match kind.to_ascii_lowercase().as_str() {
                "header" => given.header.replace(component),
                "body" => given.body.replace(component),
                "button" => given.buttons.insert(index(component)?, component),
                _ => return Err(invalid(parameter, "must be one of {HEADER, BODY, BUTTON}")),
            };
            if earlier.is_some() {
                return Err(invalid(parameter, "is there twice."));
            }
        }
        Ok(given)
    }
}

/// A number, or one in a string.
fn index(component: &Value) -> Result<usize, Refusal> {
    let parameter = "template['components']['index']";
    let index = component.get("index").ok_or_else(|| missing(parameter))?;
    let number = match index {
        Value::String(text) => text.parse().ok(),
        other => other.as_u64().and_then(|index| usize::try_from(index).ok()),
    };
    number.ok_or_else(|| invalid(parameter, "must be the position of a button."))
}

fn parameters(component: Option<&Value>) -> Result<&[Value], Refusal> {
    let parameter = "template['components']['parameters']";
    match component.and_then(|component| component.get("parameters")) {
        None | Some(Value::Null) => Ok(&[]),
        Some(parameters) => parameters
            .as_array()
            .map(Vec::as_slice)
            .ok_or_else(|| invalid(parameter, "must be an array.")),
    }
}

fn check_header(
    header: Option<&Value>,
    given: Option<&Value>,
    is_named: bool,
) -> Result<(), Refusal> {
    let given = parameters(given)?;
    let Some(header) = header else {
        return count("header", given.len(), 0);
    };
    let format = header["format"].as_str().unwrap_or("TEXT");
    if format == "TEXT" {
        let text = header["text"].as_str().unwrap_or_default();
        return values("header", text, given, is_named).map(|_| ());
    }
    let expected = format.to_ascii_lowercase();
    let [media] = given else {
        return Err(mismatch("header", format, "UNKNOWN"));
    };
    let received = media["type"].as_str().unwrap_or("unknown");
    if received != expected {
        return Err(mismatch("header", format, received));
    }
    let what = format!("header['{expected}']");
    let media = media.get(&expected).ok_or_else(|| missing(&what))?;
    if expected == "location" || media.get("id").is_some() {
        return Ok(());
    }
    let link = string(media, "/link", &what, 4096)?;
    if link.starts_with("https://") || link.starts_with("http://") {
        Ok(())
    } else {
        Err(invalid(&what, "is not a valid URI."))
    }
}

fn check_buttons(buttons: Option<&Value>, given: &BTreeMap<usize, &Value>) -> Result<(), Refusal> {
    let buttons = buttons.and_then(|buttons| buttons["buttons"].as_array());
    let buttons = buttons.map(Vec::as_slice).unwrap_or_default();
    if let Some(index) = given.keys().find(|index| **index >= buttons.len()) {
        let why = format!("names button {index}, which the template does not have.");
        return Err(invalid("template['components']['index']", &why));
    }
    for (index, button) in buttons.iter().enumerate() {
        check_button(index, button, given.get(&index).copied())?;
    }
    Ok(())
}

fn check_button(index: usize, button: &Value, given: Option<&Value>) -> Result<(), Refusal> {
    let kind = button["type"].as_str().unwrap_or_default();
    let needs_one = match kind {
        "URL" => !variables(button["url"].as_str().unwrap_or_default()).is_empty(),
        "COPY_CODE" => true,
        _ => false,
    };
    let Some(given) = given else {
        if needs_one {
            let details =
                format!("buttons: Button at index {index} of type {kind} requires a parameter");
            return Err(of_code(131_008, details));
        }
        return Ok(());
    };
    let parameter = "template['components']['sub_type']";
    if !string(given, "/sub_type", parameter, 32)?.eq_ignore_ascii_case(kind) {
        return Err(invalid(
            parameter,
            &format!("must be {kind} for button {index}."),
        ));
    }
    let takes_one = needs_one || matches!(kind, "QUICK_REPLY" | "FLOW");
    let given = parameters(Some(given))?;
    count("button", given.len(), usize::from(takes_one))?;
    let expected = match kind {
        "URL" => "text",
        "COPY_CODE" => "coupon_code",
        "FLOW" => "action",
        _ => "payload",
    };
    for value in given {
        let received = value["type"].as_str().unwrap_or("unknown");
        if received != expected {
            return Err(mismatch("button", expected, received));
        }
        if expected != "action" {
            checked("button", value.get(expected))?;
        }
    }
    Ok(())
}

/// The value of every variable of a text, in the order of `variables`.
fn values<'a>(
    what: &str,
    text: &str,
    given: &'a [Value],
    is_named: bool,
) -> Result<BTreeMap<String, &'a str>, Refusal> {
    let mut wanted = variables(text);
    if is_named {
        for parameter in given {
            let name = parameter["parameter_name"].as_str().unwrap_or_default();
            if name.is_empty() {
                let details = "Parameter name is missing or empty";
                return Err(Refusal::new(100, "Invalid parameter").with_details(details));
            }
        }
    } else {
        wanted.sort_by_key(|name| name.parse::<u32>().unwrap_or(u32::MAX));
    }
    count(what, given.len(), wanted.len())?;
    let mut values = BTreeMap::new();
    for (position, parameter) in given.iter().enumerate() {
        let value = value(what, parameter)?;
        let name = if is_named {
            parameter["parameter_name"].as_str().unwrap_or_default()
        } else {
            wanted.get(position).map(String::as_str).unwrap_or_default()
        };
        if !wanted.iter().any(|wanted| wanted == name) || values.contains_key(name) {
            let details = format!("{what}: Parameter name {name} is unknown or there twice");
            return Err(Refusal::new(100, "Invalid parameter").with_details(details));
        }
        values.insert(name.to_owned(), value);
    }
    Ok(values)
}

fn value<'a>(what: &str, parameter: &'a Value) -> Result<&'a str, Refusal> {
    match parameter["type"].as_str().unwrap_or("unknown") {
        "text" => checked(what, parameter.get("text")),
        kind @ ("currency" | "date_time") => checked(
            what,
            parameter
                .get(kind)
                .and_then(|value| value.get("fallback_value")),
        ),
        other => Err(mismatch(what, "TEXT", other)),
    }
}

/// A text without what Meta does not let into a parameter.
fn checked<'a>(what: &str, text: Option<&'a Value>) -> Result<&'a str, Refusal> {
    let text = text.and_then(Value::as_str).unwrap_or_default();
    if text.is_empty() {
        let details = format!("{what}: Parameter of type text is missing text value");
        return Err(of_code(131_008, details));
    }
    if text.contains(['\n', '\r', '\t']) || text.contains("     ") {
        let details =
            "Param text cannot have new-line/tab characters or more than 4 consecutive spaces";
        return Err(of_code(132_018, details));
    }
    Ok(text)
}

fn count(what: &str, given: usize, expected: usize) -> Result<(), Refusal> {
    if given == expected {
        return Ok(());
    }
    let details = format!(
        "{what}: number of localizable_params ({given}) does not match the expected number of params ({expected})"
    );
    Err(of_code(132_000, details))
}

fn mismatch(what: &str, expected: &str, received: &str) -> Refusal {
    let (expected, received) = (expected.to_uppercase(), received.to_uppercase());
    let details = format!("{what}: Format mismatch, expected {expected}, received {received}");
    of_code(132_012, details)
}

fn component<'a>(template: &'a Value, kind: &str) -> Option<&'a Value> {
    let components = template["components"].as_array()?;
    components.iter().find(|component| {
        let found = component["type"].as_str().unwrap_or_default();
        found.eq_ignore_ascii_case(kind)
    })
}

/// The names between `{{` and `}}`, each once, in the order they come.
pub(super) fn variables(text: &str) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for part in text.split("{{").skip(1) {
        if let Some((name, _)) = part.split_once("}}") {
            let name = name.trim().to_owned();
            if !names.contains(&name) {
                names.push(name);
            }
        }
    }
    names
}

fn fill(text: &str, values: &BTreeMap<String, &str>) -> String {
    let mut parts = text.split("{{");
    let mut filled = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let known = part.split_once("}}").and_then(|(name, rest)| {
            let value = values.get(name.trim())?;
            Some((value, rest))
        });
        match known {
            Some((value, rest)) => {
                filled.push_str(value);
                filled.push_str(rest);
            }
            None => {
                filled.push_str("{{");
                filled.push_str(part);
            }
        }
    }
    filled
}
