//! Structured messages: cards and buttons.
//!
//! <https://developers.facebook.com/docs/messenger-platform/reference/templates>

use serde_json::Value;

use super::Platform;
use super::field::{flag, items, known_keys, one_of, text, url};
use super::refusal::{invalid, unknown_keys};
use crate::graph::Refusal;
use crate::shown::{Choice, ChoiceSort, Shown};

const TEMPLATE: &str = "message[attachment][payload]";

/// Checks a structured message. Answers its words and what may be pressed.
pub(super) fn template(platform: Platform, payload: &Value) -> Result<Shown, Refusal> {
    let kind = text(
        payload,
        "template_type",
        &format!("{TEMPLATE}[template_type]"),
        64,
    )?;
    match (kind, platform) {
        ("generic", _) => {
            known_keys(
                payload,
                TEMPLATE,
                &["template_type", "elements", "image_aspect_ratio"],
            )?;
            one_of(payload, "image_aspect_ratio", &["horizontal", "square"])?;
            let (mut cards, mut choices) = (Vec::new(), Vec::new());
            for element in elements(payload, 10)? {
                let (words, buttons) = card(platform, element)?;
                cards.push(words);
                choices.extend(buttons);
            }
            Ok(Shown::new(kind, cards.join("\n")).with(choices))
        }
        ("button", _) => {
            known_keys(payload, TEMPLATE, &["template_type", "text", "buttons"])?;
            let said = text(payload, "text", &format!("{TEMPLATE}[text]"), 640)?;
            let list = payload.get("buttons").unwrap_or(&Value::Null);
            Ok(Shown::new(kind, said).with(buttons(platform, list)?))
        }
        ("media", Platform::Messenger) => {
            known_keys(
                payload,
                TEMPLATE,
                &["template_type", "elements", "sharable"],
            )?;
            flag(payload, "sharable", &format!("{TEMPLATE}[sharable]"))?;
            let (mut source, mut choices) = ("", Vec::new());
            for element in elements(payload, 1)? {
                let here = format!("{TEMPLATE}[elements][0]");
                known_keys(
                    element,
                    &here,
                    &["media_type", "attachment_id", "url", "buttons"],
                )?;
                one_of(element, "media_type", &["image", "video"])?;
                text(element, "media_type", &here, 64)?;
                source = if element.get("attachment_id").is_some() {
                    text(element, "attachment_id", &here, 64)?
                } else {
                    url(element, "url", &here)?
                };
                if let Some(list) = element.get("buttons") {
                    choices = buttons(platform, list)?;
                }
            }
            Ok(Shown::new(kind, source).with(choices))
        }
        _ => Err(invalid(
            &format!("{TEMPLATE}[template_type]"),
            "is not a known template",
        )),
    }
}

fn elements(payload: &Value, most: usize) -> Result<&[Value], Refusal> {
    let parameter = format!("{TEMPLATE}[elements]");
    let elements = payload.get("elements").unwrap_or(&Value::Null);
    items(elements, &parameter, most)
}

/// One element of a generic template: its words and its buttons.
fn card(platform: Platform, element: &Value) -> Result<(String, Vec<Choice>), Refusal> {
    let here = format!("{TEMPLATE}[elements]");
    let more = ["subtitle", "image_url", "default_action", "buttons"];
    known_keys(
        element,
        &here,
        &[
            "title",
            "subtitle",
            "image_url",
            "default_action",
            "buttons",
        ],
    )?;
    let mut words = text(element, "title", &format!("{here}[title]"), 80)?.to_owned();
    if !more.iter().any(|name| element.get(name).is_some()) {
        let message = "Incomplete element data: title and at least one other field \
                       (image url, buttons, subtitle) is required with non-empty value";
        return Err(Refusal::new(100, message).with_subcode(2_018_048));
    }
    if element.get("subtitle").is_some() {
        let subtitle = text(element, "subtitle", &format!("{here}[subtitle]"), 80)?;
        words = format!("{words}: {subtitle}");
    }
    if element.get("image_url").is_some() {
        url(element, "image_url", &format!("{here}[image_url]"))?;
    }
    if let Some(action) = element.get("default_action") {
        if action.get("title").is_some() {
            return Err(unknown_keys(&format!("{here}[default_action]"), &["title"]));
        }
        web_url(action, &format!("{here}[default_action]"))?;
    }
    let choices = match element.get("buttons") {
        Some(list) => buttons(platform, list)?,
        None => Vec::new(),
    };
    Ok((words, choices))
}

fn buttons(platform: Platform, list: &Value) -> Result<Vec<Choice>, Refusal> {
    let parameter = format!("{TEMPLATE}[buttons]");
    let mut choices = Vec::new();
    for (index, button) in items(list, &parameter, 3)?.iter().enumerate() {
        let here = format!("{parameter}[{index}]");
        let kind = text(button, "type", &format!("{here}[type]"), 64)?;
        let title = text(button, "title", &format!("{here}[title]"), 20)?;
        choices.push(match (kind, platform) {
            ("web_url", _) => Choice::new(ChoiceSort::Link, title, web_url(button, &here)?),
            ("postback", _) => {
                known_keys(button, &here, &["type", "title", "payload"])?;
                let payload = text(button, "payload", &format!("{here}[payload]"), 1000)?;
                Choice::new(ChoiceSort::Postback, title, payload)
            }
            ("phone_number", Platform::Messenger) => {
                known_keys(button, &here, &["type", "title", "payload"])?;
                let number = text(button, "payload", &format!("{here}[payload]"), 64)?;
                if !number.starts_with('+') {
                    return Err(invalid(&format!("{here}[payload]"), "must begin with +"));
                }
                Choice::new(ChoiceSort::Link, title, format!("tel:{number}"))
            }
            _ => return Err(invalid(&format!("{here}[type]"), "is not a known button")),
        });
    }
    Ok(choices)
}

fn web_url<'a>(button: &'a Value, here: &str) -> Result<&'a str, Refusal> {
    known_keys(
        button,
        here,
        &[
            "type",
            "title",
            "url",
            "webview_height_ratio",
            "messenger_extensions",
            "fallback_url",
            "webview_share_button",
        ],
    )?;
    if button["type"] != "web_url" {
        return Err(invalid(&format!("{here}[type]"), "must be web_url"));
    }
    one_of(button, "webview_height_ratio", &["compact", "tall", "full"])?;
    url(button, "url", &format!("{here}[url]"))
}
