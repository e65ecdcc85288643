//! A template as it may be submitted for review.
//!
//! <https://developers.facebook.com/docs/whatsapp/business-management-api/message-templates/components>

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::template::variables;
use super::templates::is_named;
use crate::graph::Refusal;
use crate::link::is_link;

const CATEGORIES: [&str; 3] = ["AUTHENTICATION", "MARKETING", "UTILITY"];
const COMPONENTS: [&str; 4] = ["HEADER", "BODY", "FOOTER", "BUTTONS"];
const BUTTONS: [&str; 10] = [
    "CATALOG",
    "COPY_CODE",
    "FLOW",
    "MPM",
    "ORDER_DETAILS",
    "OTP",
    "PHONE_NUMBER",
    "QUICK_REPLY",
    "SPM",
    "URL",
];

/// What Meta calls that which is wrong with a template.
const CHARACTERS: i64 = 2_388_040;
const MISSING: i64 = 2_388_043;
const HEADER: i64 = 2_388_047;
const BODY: i64 = 2_388_072;
const FOOTER: i64 = 2_388_073;
const EDGES: i64 = 2_388_299;

/// Checks a template against the rules and the account's `templates`. Answers it without id and status.
pub(super) fn checked(body: &Value, templates: &[Value]) -> Result<Value, Refusal> {
    known_keys(
        body,
        &[
            "name",
            "language",
            "category",
            "components",
            "parameter_format",
            "allow_category_change",
            "message_send_ttl_seconds",
            "cta_url_link_tracking_opted_out",
        ],
    )?;
    let text = |name: &str| {
        let value = body.get(name).ok_or_else(|| Refusal::required(name))?;
        let value = value.as_str().filter(|value| !value.is_empty());
        value.ok_or_else(|| Refusal::new(100, format!("Param {name} must be a non-empty string.")))
    };
    let name = text("name")?;
    if name.len() > 512 || !is_plain(name) {
        return Err(wrong(
            "Invalid template name",
            "Template names have at most 512 lowercase letters, digits and underscores.",
        ));
    }
    let language = text("language")?;
    if !is_language(language) {
        return Err(Refusal::new(
            100,
            "Param language must be a language code Meta knows",
        ));
    }
    let category = text("category")?;
    one_of("category", category, &CATEGORIES)?;
    let format = match body.get("parameter_format") {
        None => "POSITIONAL".to_owned(),
        Some(format) => format.as_str().unwrap_or_default().to_ascii_uppercase(),
    };
    one_of("parameter_format", &format, &["NAMED", "POSITIONAL"])?;
    let components = body
        .get("components")
        .ok_or_else(|| Refusal::required("components"))?;
    let components = components.as_array().map(Vec::as_slice).unwrap_or_default();
    check_components(components, category, is_named(body))?;
    if templates
        .iter()
        .any(|template| template["name"] == name && template["language"] == language)
    {
        return Err(wrong(
            "Content in this language already exists",
            "There is already content for this template in this language.",
        )
        .with_subcode(2_388_024));
    }
    Ok(json!({
        "name": name,
        "language": language,
        "category": category,
        "parameter_format": format,
        "components": components.iter().map(in_capitals).collect::<Vec<_>>(),
    }))
}

/// A component, or a button, with its sort in capitals, as Meta answers it.
fn in_capitals(part: &Value) -> Value {
    let mut part = part.clone();
    for name in ["type", "format"] {
        if let Some(word) = part.get(name).and_then(Value::as_str) {
            part[name] = json!(word.to_ascii_uppercase());
        }
    }
    if let Some(buttons) = part.get("buttons").and_then(Value::as_array) {
        part["buttons"] = buttons.iter().map(in_capitals).collect();
    }
    part
}

fn check_components(components: &[Value], category: &str, is_named: bool) -> Result<(), Refusal> {
    let mut seen = BTreeSet::new();
    for component in components {
        let kind = component["type"].as_str().unwrap_or_default();
        let kind = kind.to_ascii_uppercase();
        one_of("components[type]", &kind, &COMPONENTS)?;
        known_keys(
            component,
            &[
                "type",
                "format",
                "text",
                "example",
                "buttons",
                "add_security_recommendation",
                "code_expiration_minutes",
            ],
        )?;
        // Meta words an authentication template itself.
        let own_words = category != "AUTHENTICATION";
        match kind.as_str() {
            "HEADER" => check_header(component, is_named)?,
            "BODY" if own_words => check_body(component, is_named)?,
            "FOOTER" if own_words => check_footer(component)?,
            "BUTTONS" => check_buttons(component)?,
            _ => {}
        }
        if !seen.insert(kind) {
            return Err(Refusal::new(100, "Param components has a type twice"));
        }
    }
    if seen.contains("BODY") {
        Ok(())
    } else {
        Err(wrong(
            "Message template is missing a body",
            "A template needs a component of type BODY.",
        ))
    }
}

fn check_header(part: &Value, is_named: bool) -> Result<(), Refusal> {
    let title = "Message header format is incorrect";
    let format = part["format"].as_str().unwrap_or_default();
    match format.to_ascii_uppercase().as_str() {
        "TEXT" => {
            let text = words(part, 60, title, HEADER)?;
            let names = variables(text);
            if names.len() > 1 || !are_sound(&names, is_named) {
                let why = "The header has at most one variable.";
                return Err(wrong(title, why).with_subcode(HEADER));
            }
            needs_example(part, !names.is_empty())
        }
        "LOCATION" => Ok(()),
        "IMAGE" | "VIDEO" | "DOCUMENT" => {
            let handles = part["example"]["header_handle"].as_array();
            if handles.is_some_and(|handles| handles.len() == 1 && handles[0].is_string()) {
                Ok(())
            } else {
                needs_example(&json!({}), true)
            }
        }
        _ => {
            let why = "The format is one of TEXT, IMAGE, VIDEO, DOCUMENT and LOCATION.";
            Err(wrong(title, why).with_subcode(HEADER))
        }
    }
}

fn check_body(part: &Value, is_named: bool) -> Result<(), Refusal> {
    let title = "Message body format is incorrect";
    let text = words(part, 1024, title, BODY)?;
    let names = variables(text);
    if !are_sound(&names, is_named) {
        let why = "Variables are {{1}}, {{2}} and so on, or lowercase names if parameter_format is NAMED.";
        return Err(wrong(title, why).with_subcode(BODY));
    }
    if text.starts_with("{{") || text.ends_with("}}") {
        return Err(wrong(
            "Variables can't be at the start or end of the template",
            "The body must begin and end with words of its own.",
        )
        .with_subcode(EDGES));
    }
    needs_example(part, !names.is_empty())
}

fn check_footer(part: &Value) -> Result<(), Refusal> {
    let title = "Message footer format is incorrect";
    if variables(words(part, 60, title, FOOTER)?).is_empty() {
        Ok(())
    } else {
        Err(wrong(title, "The footer has no variables.").with_subcode(FOOTER))
    }
}

fn check_buttons(part: &Value) -> Result<(), Refusal> {
    let title = "Message buttons format is incorrect";
    let buttons = part["buttons"].as_array().map(Vec::as_slice);
    let buttons = buttons.unwrap_or_default();
    if !(1..=10).contains(&buttons.len()) {
        return Err(wrong(title, "A template has 1 to 10 buttons."));
    }
    let kind = |button: &Value| {
        let kind = button["type"].as_str().unwrap_or_default();
        kind.to_ascii_uppercase()
    };
    for button in buttons {
        let kind = kind(button);
        one_of("buttons[type]", &kind, &BUTTONS)?;
        if kind != "COPY_CODE" {
            words(button, 25, title, MISSING)?;
        }
        match kind.as_str() {
            "URL" => check_link(button)?,
            "PHONE_NUMBER" => {
                let number = button["phone_number"].as_str().unwrap_or_default();
                let digits = number.strip_prefix('+').unwrap_or(number);
                let are_digits = digits.bytes().all(|byte| byte.is_ascii_digit());
                if !(1..=20).contains(&digits.len()) || !are_digits {
                    return Err(wrong(title, "The phone_number has 1 to 20 digits."));
                }
            }
            "COPY_CODE" => needs_example(button, true)?,
            _ => {}
        }
    }
    let count = |wanted: &str| {
        buttons
            .iter()
            .filter(|button| kind(button) == wanted)
            .count()
    };
    if count("URL") > 2 || count("PHONE_NUMBER") > 1 || count("COPY_CODE") > 1 {
        return Err(wrong(
            title,
            "There are at most two links, one number and one code.",
        ));
    }
    let is_quick = |button: &Value| kind(button) == "QUICK_REPLY";
    let turns = buttons
        .windows(2)
        .filter(|pair| is_quick(&pair[0]) != is_quick(&pair[1]));
    if turns.count() > 1 {
        return Err(wrong(title, "Quick replies must stand together."));
    }
    Ok(())
}

fn check_link(button: &Value) -> Result<(), Refusal> {
    let url = button["url"].as_str().unwrap_or_default();
    let names = variables(url);
    let is_fixed = names.is_empty() && !url.contains("{{");
    let ends_in_variable = names == ["1"] && url.ends_with("{{1}}");
    if url.chars().count() > 2000 || !is_link(&url.replace("{{1}}", "1")) {
        return Err(wrong("Invalid URL", "The url of a button must be a link."));
    }
    if !is_fixed && !ends_in_variable {
        let why = "The url of a button has at most one variable, at its end.";
        return Err(wrong("Invalid URL", why));
    }
    needs_example(button, ends_in_variable)
}

fn are_sound(names: &[String], is_named: bool) -> bool {
    names.iter().enumerate().all(|(position, name)| {
        if is_named {
            !name.is_empty() && is_plain(name)
        } else {
            *name == (position + 1).to_string()
        }
    })
}

/// The text of a component or a button, of 1 to `most` characters.
fn words<'a>(part: &'a Value, most: usize, title: &str, subcode: i64) -> Result<&'a str, Refusal> {
    let text = part["text"].as_str().unwrap_or_default();
    if text.is_empty() {
        return Err(wrong(title, "The text must not be empty.").with_subcode(subcode));
    }
    if text.chars().count() > most {
        let why = format!("The text has at most {most} characters.");
        return Err(wrong("Character limit exceeded", &why).with_subcode(CHARACTERS));
    }
    Ok(text)
}

fn needs_example(part: &Value, is_needed: bool) -> Result<(), Refusal> {
    if is_needed && part.get("example").is_none() {
        return Err(wrong(
            "Message template is missing expected fields",
            "What is filled in later needs an example.",
        )
        .with_subcode(MISSING));
    }
    Ok(())
}

fn is_plain(name: &str) -> bool {
    name.bytes()
        .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

/// `en`, `en_US`, `fil`, `zh_HK`
fn is_language(code: &str) -> bool {
    let (language, country) = code.split_once('_').unwrap_or((code, "US"));
    (2..=3).contains(&language.len())
        && language.bytes().all(|byte| byte.is_ascii_lowercase())
        && (2..=3).contains(&country.len())
        && country.bytes().all(|byte| byte.is_ascii_uppercase())
}

fn one_of(name: &str, value: &str, allowed: &[&str]) -> Result<(), Refusal> {
    if allowed.contains(&value) {
        return Ok(());
    }
    let message = format!("Param {name} must be one of {{{}}}", allowed.join(", "));
    Err(Refusal::new(100, message))
}

fn known_keys(part: &Value, known: &[&str]) -> Result<(), Refusal> {
    let keys = part.as_object().into_iter().flat_map(|part| part.keys());
    match keys.into_iter().find(|key| !known.contains(&key.as_str())) {
        Some(key) => Err(Refusal::new(
            100,
            format!("Invalid parameter: unexpected key {key}"),
        )),
        None => Ok(()),
    }
}

/// Refused, with words for the person at the screen.
pub(super) fn wrong(title: &str, text: &str) -> Refusal {
    Refusal::new(100, "Invalid parameter").with_words_to_the_user(title, text)
}
