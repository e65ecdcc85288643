//! What a message says, as the native surface's clients write it. Other surfaces bring
//! theirs into this form first.

use super::template;
use crate::gateway::{Draft, Error};
use crate::model::content::Content;
use serde_json::{Map, Value};

/// Reads a content by its type; errors point below `/content`.
pub fn draft(json: Option<Value>) -> Result<Draft, Error> {
    let json = json.ok_or_else(|| Error::invalid("/content", "is required"))?;
    if !json.is_object() {
        return Err(Error::invalid("/content", "must be an object"));
    }
    match json.get("type").and_then(Value::as_str) {
        Some("template") => template::draft(json, "/content").map(Draft::Template),
        Some("reply" | "order" | "unsupported") => Err(Error::invalid(
            "/content/type",
            "is for inbound messages only",
        )),
        Some(_) | None => read(json).map(Draft::Content),
    }
}

/// Reads a content that is none of a template's.
pub fn read(json: Value) -> Result<Content, Error> {
    Content::read(json)
        .map_err(|wrong| Error::invalid(format!("/content{}", wrong.pointer), wrong.detail))
}

/// A content of a kind with some fields; those without a value are left out.
pub fn of(kind: &str, given: impl IntoIterator<Item = (&'static str, Option<Value>)>) -> Value {
    let kind = ("type", Some(Value::from(kind)));
    fields(std::iter::once(kind).chain(given))
}

/// An object with some fields; those without a value are left out.
pub fn fields(given: impl IntoIterator<Item = (&'static str, Option<Value>)>) -> Value {
    let mut fields = Map::new();
    for (name, value) in given {
        put(&mut fields, name, value);
    }
    Value::Object(fields)
}

fn put(fields: &mut Map<String, Value>, name: &str, value: Option<Value>) {
    if let Some(value) = value.filter(|value| !value.is_null()) {
        fields.insert(name.to_owned(), value);
    }
}

/// Each item of a list brought into another form; what is no list is left to be refused.
pub fn each(list: Value, form: fn(Value) -> Value) -> Value {
    if let Value::Array(items) = list {
        items.into_iter().map(form).collect()
    } else {
        list
    }
}

/// Each object of a list brought into another form, with its pointer; an error points into
/// what was given.
pub fn objects(
    list: &[Value],
    pointer: &str,
    form: fn(&Value, &str) -> Result<Value, Error>,
) -> Result<Value, Error> {
    let formed = list.iter().enumerate().map(|(at, item)| {
        let pointer = format!("{pointer}/{at}");
        if item.is_object() {
            form(item, &pointer)
        } else {
            Err(Error::invalid(pointer, "must be an object"))
        }
    });
    formed.collect()
}

/// What a surface calls fields of ours: the ways to write each, of which the first is meant
/// where none is given.
pub type Names = [(&'static str, &'static [&'static str])];

/// Where a field of ours stands in what a client wrote by other names.
pub fn spelled(given: &Value, ours: &str, names: &Names) -> String {
    let mut at = Some(given);
    let mut written = String::new();
    for part in ours.split('/').skip(1) {
        // Written as a plain value, it has no parts to point at.
        if at.is_some_and(|at| !at.is_null() && !at.is_object() && !at.is_array()) {
            break;
        }
        let part_of = |name: &str| at?.pointer(&format!("/{name}"));
        let known = names.iter().find(|(name, _)| *name == part);
        let ways = known.map_or(&[][..], |(_, ways)| *ways);
        let is_given = |way: &&&str| part_of(way).is_some_and(|value| !value.is_null());
        let way = ways.iter().find(is_given).or(ways.first());
        let way = way.map_or(part, |way| *way);
        written.push('/');
        written.push_str(way);
        at = part_of(way);
    }
    written
}
