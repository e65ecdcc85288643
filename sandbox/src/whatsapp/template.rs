//! A template as it is sent: it must exist, be approved, and get exactly the parameters it has.
//!
//! <https://developers.facebook.com/docs/whatsapp/cloud-api/guides/send-message-templates>

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::content::file;
use super::field::Part;
use super::refusal::of_code;
use crate::graph::Refusal;
use crate::shown::{Choice, ChoiceSort, Shown, place};

/// The longest body Meta sends, with its parameters filled in.
const BODY_CHARACTERS: usize = 1024;

/// The fields of a parameter, whatever its type.
const PARAMETER: [&str; 13] = [
    "type",
    "parameter_name",
    "text",
    "currency",
    "date_time",
    "image",
    "video",
    "document",
    "location",
    "payload",
    "coupon_code",
    "action",
    "product",
];

/// Checks a message of type `template` against those of the business account. Answers what it makes.
///
/// 1. The template must exist in the language and be approved.
/// 2. Only what the template has may get parameters.
/// 3. Header, body and buttons get as many as they have, of the right type.
pub(super) fn shown(
    message: &Part<'_>,
    templates: &[Value],
    to_user_id: bool,
) -> Result<Shown, Refusal> {
    // 1.
    let part = message.part("template", &["name", "language", "components", "namespace"])?;
    let language = part.part("language", &["code", "policy"])?;
    let (language, name) = (language.text("code", 32)?, part.text("name", 512)?);
    let template = approved(templates, name, language)?;
    if to_user_id && template["category"] == "AUTHENTICATION" {
        let details = "Authentication templates cannot be sent to a business-scoped user id.";
        return Err(of_code(131_062, details));
    }

    // 2.
    let given = Given::read(&part)?;
    let is_named = template["parameter_format"] == "NAMED";

    // 3.
    let header = header(component(template, "HEADER"), &given.header, is_named)?;
    let choices = buttons(component(template, "BUTTONS"), &given.buttons)?;
    let text = |kind: &str| component(template, kind).and_then(|part| part["text"].as_str());
    let body = text("BODY").unwrap_or_default();
    let body = fill(body, &values("body", body, &given.body, is_named)?);
    if body.chars().count() > BODY_CHARACTERS {
        return Err(of_code(132_005, "Translated text too long"));
    }
    let lines = [header.as_deref(), Some(&body), text("FOOTER")];
    Ok(Shown::lines("template", lines).with(choices))
}

fn approved<'t>(templates: &'t [Value], name: &str, language: &str) -> Result<&'t Value, Refusal> {
    let is_meant = |template: &&Value| template["name"] == name && template["language"] == language;
    let template = templates.iter().find(is_meant).ok_or_else(|| {
        let details = format!("template name ({name}) does not exist in {language}");
        of_code(132_001, details)
    })?;
    match template["status"].as_str().unwrap_or_default() {
        "APPROVED" => Ok(template),
        "PAUSED" => Err(of_code(
            132_015,
            format!("template name ({name}) is paused"),
        )),
        "DISABLED" => Err(of_code(
            132_016,
            format!("template name ({name}) is disabled"),
        )),
        status => {
            let details = format!("template name ({name}) is {status} in {language}");
            Err(of_code(132_001, details))
        }
    }
}

/// The parameters of a message, by the part of the template they are for.
#[derive(Default)]
struct Given<'a> {
    header: Vec<Part<'a>>,
    body: Vec<Part<'a>>,
    /// By position: the `sub_type` and its parameters.
    buttons: BTreeMap<usize, (Part<'a>, Vec<Part<'a>>)>,
}

impl<'a> Given<'a> {
    fn read(part: &Part<'a>) -> Result<Self, Refusal> {
        let mut given = Self::default();
        let mut seen = BTreeSet::new();
        let known = ["type", "sub_type", "index", "parameters"];
        for component in part.maybe_parts("components", 13, &known)? {
            let kind = component.text("type", 32)?.to_ascii_lowercase();
            let index = match kind.as_str() {
                "button" => Some(index(&component)?),
                "header" | "body" => None,
                _ => return Err(component.invalid("type", "must be one of {HEADER, BODY, BUTTON}")),
            };
            if !seen.insert((kind.clone(), index)) {
                return Err(component.invalid("type", "is there twice."));
            }
            let parameters = component.maybe_parts("parameters", 1024, &PARAMETER)?;
            match (kind.as_str(), index) {
                (_, Some(index)) => {
                    given.buttons.insert(index, (component, parameters));
                }
                ("header", None) => given.header = parameters,
                (_, None) => given.body = parameters,
            }
        }
        Ok(given)
    }
}

/// A number, or one in a string.
fn index(component: &Part<'_>) -> Result<usize, Refusal> {
    let number = match component.get("index") {
        None => return Err(component.missing("index")),
        Some(Value::String(text)) => text.parse().ok(),
        Some(other) => other.as_u64().and_then(|index| usize::try_from(index).ok()),
    };
    number.ok_or_else(|| component.invalid("index", "must be the position of a button."))
}

/// What stands in the header: its text, or what its file or place is.
fn header(
    header: Option<&Value>,
    given: &[Part<'_>],
    is_named: bool,
) -> Result<Option<String>, Refusal> {
    let Some(header) = header else {
        count("header", given.len(), 0)?;
        return Ok(None);
    };
    let format = header["format"].as_str().unwrap_or("TEXT");
    if format == "TEXT" {
        let text = header["text"].as_str().unwrap_or_default();
        let values = values("header", text, given, is_named)?;
        return Ok(Some(fill(text, &values)));
    }
    let expected = format.to_ascii_lowercase();
    let [given] = given else {
        return Err(mismatch("header", format, "UNKNOWN"));
    };
    let received = word(given, "type");
    if received != expected {
        return Err(mismatch("header", format, received));
    }
    match received {
        "location" => {
            let known = ["latitude", "longitude", "name", "address"];
            let location = given.part(received, &known)?;
            let latitude = location.degrees("latitude", 90.0)?;
            let longitude = location.degrees("longitude", 180.0)?;
            let (name, address) = (
                location.text("name", 1000)?,
                location.text("address", 1000)?,
            );
            Ok(Some(place(Some(name), Some(address), latitude, longitude)))
        }
        "document" => {
            let document = given.part(received, &["id", "link", "filename"])?;
            document.maybe_text("filename", 240)?;
            Ok(Some(file(&document)?.to_owned()))
        }
        _ => {
            let media = given.part(received, &["id", "link"])?;
            Ok(Some(file(&media)?.to_owned()))
        }
    }
}

fn buttons(
    buttons: Option<&Value>,
    given: &BTreeMap<usize, (Part<'_>, Vec<Part<'_>>)>,
) -> Result<Vec<Choice>, Refusal> {
    let buttons = buttons.and_then(|buttons| buttons["buttons"].as_array());
    let buttons = buttons.map(Vec::as_slice).unwrap_or_default();
    if let Some((_, (odd, _))) = given.iter().find(|(index, _)| **index >= buttons.len()) {
        return Err(odd.invalid("index", "names a button which the template does not have."));
    }
    let choices = buttons.iter().enumerate();
    choices
        .map(|(index, template)| button(index, template, given.get(&index)))
        .collect()
}

fn button(
    index: usize,
    template: &Value,
    given: Option<&(Part<'_>, Vec<Part<'_>>)>,
) -> Result<Choice, Refusal> {
    let text = |name: &str| template[name].as_str().unwrap_or_default();
    let (kind, title) = (text("type"), text("text"));
    let needs_one = match kind {
        "URL" => !variables(text("url")).is_empty(),
        "COPY_CODE" => true,
        _ => false,
    };
    let mut value = None;
    if let Some((component, parameters)) = given {
        if !component.text("sub_type", 32)?.eq_ignore_ascii_case(kind) {
            let why = format!("must be {kind} for button {index}.");
            return Err(component.invalid("sub_type", &why));
        }
        let takes_one = needs_one || matches!(kind, "QUICK_REPLY" | "FLOW");
        count("button", parameters.len(), usize::from(takes_one))?;
        let expected = match kind {
            "URL" => "text",
            "COPY_CODE" => "coupon_code",
            "FLOW" => "action",
            _ => "payload",
        };
        for parameter in parameters {
            let received = word(parameter, "type");
            if received != expected {
                return Err(mismatch("button", expected, received));
            }
            if expected != "action" {
                value = Some(checked("button", parameter.get(expected))?);
            }
        }
    } else if needs_one {
        let details =
            format!("buttons: Button at index {index} of type {kind} requires a parameter");
        return Err(of_code(131_008, details));
    }
    Ok(match kind {
        "QUICK_REPLY" => Choice::new(ChoiceSort::TemplateReply, title, value.unwrap_or(title)),
        "URL" => {
            let url = text("url");
            let names = variables(url);
            let values = names.into_iter().zip(value).collect();
            Choice::new(ChoiceSort::Link, title, fill(url, &values))
        }
        "PHONE_NUMBER" => {
            let number = format!("tel:{}", text("phone_number"));
            Choice::new(ChoiceSort::Link, title, number)
        }
        _ => Choice::new(ChoiceSort::Link, title, value.unwrap_or_default()),
    })
}

fn word<'a>(part: &Part<'a>, name: &str) -> &'a str {
    part.get(name).and_then(Value::as_str).unwrap_or("unknown")
}

/// The value of every variable of a text, in the order of `variables`.
fn values<'a>(
    what: &str,
    text: &str,
    given: &[Part<'a>],
    is_named: bool,
) -> Result<BTreeMap<String, &'a str>, Refusal> {
    let mut wanted = variables(text);
    if is_named {
        for parameter in given {
            if named(parameter).is_empty() {
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
            named(parameter)
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

fn named<'a>(parameter: &Part<'a>) -> &'a str {
    let name = parameter.get("parameter_name").and_then(Value::as_str);
    name.unwrap_or_default()
}

fn value<'a>(what: &str, parameter: &Part<'a>) -> Result<&'a str, Refusal> {
    match word(parameter, "type") {
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
