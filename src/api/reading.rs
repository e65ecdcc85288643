//! Reading what a client wrote: path, query and body, with errors that point at the
//! field. Every surface reads alike.

use super::{Call, Refusal};
use crate::gateway::Error;
use crate::model::json;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use std::ops::RangeInclusive;

/// The id in the path; what is none names nothing.
pub fn id<Id>(
    call: &Call<'_>,
    parse: impl Fn(&str) -> Option<Id>,
    what: &'static str,
) -> Result<Id, Error> {
    parse(call.parameter("id")).ok_or(Error::not_found(what))
}

/// A query parameter that must be one of its kind.
pub fn choice<T>(
    call: &Call<'_>,
    name: &str,
    parse: impl Fn(&str) -> Option<T>,
) -> Result<Option<T>, Error> {
    call.query(name)
        .map(|text| {
            parse(&text).ok_or_else(|| Error::invalid(format!("/{name}"), "is not one there is"))
        })
        .transpose()
}

/// A number in the query, which is `absent` where it is not given.
pub fn number(
    call: &Call<'_>,
    name: &str,
    absent: i64,
    within: RangeInclusive<i64>,
) -> Result<i64, Error> {
    let Some(text) = call.query(name) else {
        return Ok(absent);
    };
    let number = text.parse().ok().filter(|number| within.contains(number));
    number.ok_or_else(|| {
        let (least, most) = within.into_inner();
        let end = if most == i64::MAX {
            "on".to_owned()
        } else {
            format!("to {most}")
        };
        Error::invalid(
            format!("/{name}"),
            format!("must be a number from {least} {end}"),
        )
    })
}

/// The body as JSON.
pub fn parse(call: &Call<'_>) -> Result<Value, Refusal> {
    serde_json::from_slice(call.request.body()).map_err(|error| Refusal::NotJson(error.to_string()))
}

/// The body as what it should be; errors point at the field.
pub fn body<T: DeserializeOwned>(call: &Call<'_>) -> Result<T, Refusal> {
    Ok(read(parse(call)?, "")?)
}

/// Reads a JSON value as `T`; an error points at the field, below `base`.
pub fn read<T: DeserializeOwned>(json: Value, base: &str) -> Result<T, Error> {
    json::read(json, base).map_err(|(pointer, detail)| Error::invalid(pointer, detail))
}

/// A name people read: 1 to 200 characters, none of them control characters.
#[derive(Debug)]
pub struct Name(pub String);

impl Name {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let name = text.trim();
        let is_readable = !name.chars().any(char::is_control);
        if is_readable && (1..=200).contains(&name.chars().count()) {
            Ok(Name(name.to_owned()))
        } else {
            Err(serde::de::Error::custom(
                "must be 1 to 200 readable characters",
            ))
        }
    }
}

/// A value by its wire name, which is text and nothing else.
pub struct Named<T>(pub T);

impl<'de, T: DeserializeOwned> Deserialize<'de> for Named<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        json::from_value(Value::from(name))
            .map(Named)
            .map_err(serde::de::Error::custom)
    }
}

/// Tells `null` from a field that is absent.
pub fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<Option<T>>, D::Error> {
    Option::<T>::deserialize(deserializer).map(Some)
}

/// Takes a field out of an object.
pub fn take(json: &mut Value, field: &str) -> Option<Value> {
    json.as_object_mut()?.remove(field)
}
