//! The fields of a body, each checked as it is read.

use serde_json::Value;

use super::refusal::{invalid, too_few, too_many, unknown_keys};
use crate::graph::Refusal;
use crate::link::is_link;

/// An object without a key that is not known.
pub(super) fn known_keys(value: &Value, parameter: &str, known: &[&str]) -> Result<(), Refusal> {
    let Some(object) = value.as_object() else {
        return Err(invalid(parameter, "must be an object."));
    };
    let odd: Vec<_> = object
        .keys()
        .map(String::as_str)
        .filter(|key| !known.contains(key))
        .collect();
    if odd.is_empty() {
        Ok(())
    } else {
        Err(unknown_keys(parameter, &odd))
    }
}

/// A field that may be left out, but not hold anything else.
pub(super) fn one_of(part: &Value, name: &str, allowed: &[&str]) -> Result<(), Refusal> {
    match part.get(name) {
        Some(value) if !allowed.iter().any(|allowed| value == allowed) => {
            let why = format!("must be one of {{{}}}", allowed.join(", "));
            Err(invalid(name, &why))
        }
        Some(_) | None => Ok(()),
    }
}

pub(super) fn items<'a>(
    list: &'a Value,
    parameter: &str,
    most: usize,
) -> Result<&'a [Value], Refusal> {
    let list = list
        .as_array()
        .ok_or_else(|| invalid(parameter, "must be an array."))?;
    if list.is_empty() {
        return Err(too_few(parameter));
    }
    if list.len() > most {
        return Err(too_many(parameter));
    }
    Ok(list)
}

/// A string of 1 to `most` characters.
pub(super) fn text<'a>(
    part: &'a Value,
    name: &str,
    parameter: &str,
    most: usize,
) -> Result<&'a str, Refusal> {
    let value = part.get(name).ok_or_else(|| Refusal::required(parameter))?;
    let text = value
        .as_str()
        .ok_or_else(|| invalid(parameter, "must be a string."))?;
    if text.is_empty() || text.chars().count() > most {
        let why = format!("must be a string of 1 to {most} characters.");
        return Err(invalid(parameter, &why));
    }
    Ok(text)
}

pub(super) fn url<'a>(part: &'a Value, name: &str, parameter: &str) -> Result<&'a str, Refusal> {
    let url = text(part, name, parameter, 2000)?;
    if is_link(url) {
        Ok(url)
    } else {
        Err(invalid(parameter, "should represent a valid URL"))
    }
}

/// A field that may be left out, but not hold anything but true or false.
pub(super) fn flag(part: &Value, name: &str, parameter: &str) -> Result<(), Refusal> {
    match part.get(name) {
        None | Some(Value::Bool(_)) => Ok(()),
        Some(_) => Err(invalid(parameter, "must be a boolean.")),
    }
}
