//! What is put under a message to press.
//!
//! <https://core.telegram.org/bots/api#inlinekeyboardmarkup>
//! <https://core.telegram.org/bots/api#replykeyboardmarkup>

use serde_json::{Map, Value};

use super::Refusal;
use crate::link::is_link;
use crate::shown::{Choice, ChoiceSort};

/// Buttons of one keyboard, rows taken together.
const BUTTONS: usize = 100;

/// The fields a button may have beside what it does.
const LOOKS: [&str; 3] = ["text", "icon_custom_emoji_id", "style"];
const INLINE_ACTIONS: [&str; 10] = [
    "url",
    "callback_data",
    "web_app",
    "login_url",
    "switch_inline_query",
    "switch_inline_query_current_chat",
    "switch_inline_query_chosen_chat",
    "copy_text",
    "callback_game",
    "pay",
];
const KEY_ACTIONS: [&str; 7] = [
    "request_users",
    "request_chat",
    "request_managed_bot",
    "request_contact",
    "request_location",
    "request_poll",
    "web_app",
];

/// Checks a `reply_markup`. Answers what may be pressed.
pub(super) fn choices(markup: &Value) -> Result<Vec<Choice>, Refusal> {
    let kinds = [
        "inline_keyboard",
        "keyboard",
        "remove_keyboard",
        "force_reply",
    ];
    let mut found = kinds.iter().filter(|kind| markup.get(**kind).is_some());
    let (Some(kind), None) = (found.next(), found.next()) else {
        return Err(unreadable(
            "reply keyboard markup",
            "exactly one kind is expected",
        ));
    };
    let more: &[&str] = match *kind {
        "inline_keyboard" => &[],
        "keyboard" => &[
            "is_persistent",
            "resize_keyboard",
            "one_time_keyboard",
            "selective",
            "input_field_placeholder",
        ],
        "force_reply" => &["selective", "input_field_placeholder"],
        _ => &["selective"],
    };
    let object = known(markup, "reply keyboard markup", &[&[*kind], more].concat())?;
    for name in more {
        let is_right = match (object.get(*name), *name) {
            (None, _) | (Some(Value::Bool(_)), "is_persistent" | "resize_keyboard") => true,
            (Some(Value::Bool(_)), "one_time_keyboard" | "selective") => true,
            (Some(Value::String(text)), "input_field_placeholder") => {
                (1..=64).contains(&text.chars().count())
            }
            (Some(_), _) => false,
        };
        if !is_right {
            let why = format!("Field \"{name}\" has a value it cannot have");
            return Err(unreadable("reply keyboard markup", &why));
        }
    }
    match *kind {
        "inline_keyboard" => rows(markup, kind)?.into_iter().map(inline).collect(),
        "keyboard" => rows(markup, kind)?.into_iter().map(key).collect(),
        _ if object.get(*kind) == Some(&Value::Bool(true)) => Ok(Vec::new()),
        _ => Err(unreadable(
            "reply keyboard markup",
            &format!("Field \"{kind}\" must be True"),
        )),
    }
}

fn rows<'a>(markup: &'a Value, name: &str) -> Result<Vec<&'a Value>, Refusal> {
    let why = format!("Field \"{name}\" must be an Array of Arrays of buttons");
    let wrong = || unreadable("reply keyboard markup", &why);
    let rows = markup[name].as_array().ok_or_else(wrong)?;
    let mut buttons = Vec::new();
    for row in rows {
        buttons.extend(row.as_array().ok_or_else(wrong)?);
    }
    if buttons.len() > BUTTONS {
        return Err(Refusal::bad_request("reply markup is too long"));
    }
    Ok(buttons)
}

fn inline(button: &Value) -> Result<Choice, Refusal> {
    let what = "inline keyboard button";
    let object = known(button, what, &[&LOOKS[..], &INLINE_ACTIONS].concat())?;
    let text = text(object, what)?;
    let mut actions = INLINE_ACTIONS
        .iter()
        .filter_map(|name| object.get_key_value(*name));
    let Some((name, action)) = actions.next() else {
        return Err(Refusal::bad_request(
            "Text buttons are unallowed in the inline keyboard",
        ));
    };
    if actions.next().is_some() {
        return Err(unreadable(what, "exactly one action is expected"));
    }
    match (name.as_str(), action) {
        ("callback_data", Value::String(data)) if (1..=64).contains(&data.len()) => {
            Ok(Choice::new(ChoiceSort::Callback, text, data.as_str()))
        }
        ("callback_data", _) => Err(Refusal::bad_request("BUTTON_DATA_INVALID")),
        ("url", Value::String(url)) if is_link(url) || url.starts_with("tg://") => {
            Ok(Choice::new(ChoiceSort::Link, text, url.as_str()))
        }
        ("url", _) => Err(Refusal::bad_request("BUTTON_URL_INVALID")),
        ("pay" | "callback_game", _) => Err(Refusal::bad_request("BUTTON_TYPE_INVALID")),
        (_, action) => Ok(Choice::new(ChoiceSort::Link, text, action.to_string())),
    }
}

/// A key: its text alone, or an object with it.
fn key(button: &Value) -> Result<Choice, Refusal> {
    let what = "keyboard button";
    if let Value::String(text) = button {
        return Ok(Choice::new(ChoiceSort::Key, text.as_str(), text.as_str()));
    }
    let object = known(button, what, &[&LOOKS[..], &KEY_ACTIONS].concat())?;
    let text = text(object, what)?;
    let is_asked = |name: &&&str| object.get(**name).is_some_and(|value| *value != false);
    let mut actions = KEY_ACTIONS.iter().filter(is_asked);
    let action = actions.next();
    if actions.next().is_some() {
        return Err(unreadable(what, "at most one action is expected"));
    }
    for name in ["request_contact", "request_location"] {
        if object.get(name).is_some_and(|value| !value.is_boolean()) {
            let why = format!("Field \"{name}\" must be of type Boolean");
            return Err(unreadable(what, &why));
        }
    }
    Ok(match action {
        None => Choice::new(ChoiceSort::Key, text, text),
        Some(&"request_location") => Choice::new(ChoiceSort::Location, text, ""),
        Some(&"request_contact") => Choice::new(ChoiceSort::Contact, text, ""),
        Some(other) => Choice::new(ChoiceSort::Link, text, *other),
    })
}

fn known<'a>(
    value: &'a Value,
    what: &str,
    known: &[&str],
) -> Result<&'a Map<String, Value>, Refusal> {
    let object = value.as_object();
    let object = object.ok_or_else(|| unreadable(what, "expected an Object"))?;
    match object.keys().find(|key| !known.contains(&key.as_str())) {
        Some(key) => Err(unreadable(what, &format!("unknown field \"{key}\""))),
        None => Ok(object),
    }
}

fn text<'a>(button: &'a Map<String, Value>, what: &str) -> Result<&'a str, Refusal> {
    match button.get("text") {
        None => Err(unreadable(what, "Can't find field \"text\"")),
        Some(Value::String(text)) if !text.trim().is_empty() => Ok(text),
        Some(_) => Err(unreadable(
            what,
            "Field \"text\" must be a non-empty String",
        )),
    }
}

fn unreadable(what: &str, why: &str) -> Refusal {
    Refusal::bad_request(&format!("can't parse {what}: {why}"))
}
