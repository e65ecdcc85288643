//! The fields of a body, each checked as it is read.

use serde_json::{Map, Value};

use super::refusal;
use crate::graph::Refusal;
use crate::link::is_link;

/// An object of the body, and where in it the object stands, which refusals name.
pub(super) struct Part<'a> {
    object: &'a Map<String, Value>,
    at: String,
}

impl<'a> Part<'a> {
    /// Reads an object that has none but the known fields.
    pub(super) fn of(
        value: &'a Value,
        at: impl Into<String>,
        known: &[&str],
    ) -> Result<Self, Refusal> {
        let at = at.into();
        let object = value
            .as_object()
            .ok_or_else(|| refusal::invalid(&at, "must be a JSON object."))?;
        match object.keys().find(|key| !known.contains(&key.as_str())) {
            Some(key) => Err(refusal::unexpected(key, &at)),
            None => Ok(Self { object, at }),
        }
    }

    pub(super) fn get(&self, name: &str) -> Option<&'a Value> {
        self.object.get(name)
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.object.contains_key(name)
    }

    fn require(&self, name: &str) -> Result<&'a Value, Refusal> {
        self.get(name).ok_or_else(|| self.missing(name))
    }

    pub(super) fn part(&self, name: &str, known: &[&str]) -> Result<Part<'a>, Refusal> {
        Part::of(self.require(name)?, self.path(name), known)
    }

    pub(super) fn maybe_part(
        &self,
        name: &str,
        known: &[&str],
    ) -> Result<Option<Part<'a>>, Refusal> {
        match self.get(name) {
            None => Ok(None),
            Some(value) => Part::of(value, self.path(name), known).map(Some),
        }
    }

    /// The objects of an array with 1 to `most` of them.
    pub(super) fn parts(
        &self,
        name: &str,
        most: usize,
        known: &[&str],
    ) -> Result<Vec<Part<'a>>, Refusal> {
        let items = match self.require(name)?.as_array() {
            Some(items) if (1..=most).contains(&items.len()) => items,
            _ => return Err(self.invalid(name, &format!("must have 1 to {most} items."))),
        };
        let parts = items
            .iter()
            .enumerate()
            .map(|(index, item)| Part::of(item, format!("{}[{index}]", self.path(name)), known));
        parts.collect()
    }

    /// The same, of an array that may be left out.
    pub(super) fn maybe_parts(
        &self,
        name: &str,
        most: usize,
        known: &[&str],
    ) -> Result<Vec<Part<'a>>, Refusal> {
        match self.get(name) {
            Some(Value::Array(items)) if !items.is_empty() => self.parts(name, most, known),
            None | Some(Value::Array(_)) => Ok(Vec::new()),
            Some(_) => Err(self.invalid(name, "must be an array.")),
        }
    }

    /// A string of 1 to `most` characters.
    pub(super) fn text(&self, name: &str, most: usize) -> Result<&'a str, Refusal> {
        let text = self.require(name)?.as_str();
        let text = text.ok_or_else(|| self.invalid(name, "must be a string."))?;
        if text.is_empty() || text.chars().count() > most {
            let why = format!("must be a string of 1 to {most} characters.");
            return Err(self.invalid(name, &why));
        }
        Ok(text)
    }

    pub(super) fn maybe_text(&self, name: &str, most: usize) -> Result<Option<&'a str>, Refusal> {
        if self.has(name) {
            self.text(name, most).map(Some)
        } else {
            Ok(None)
        }
    }

    pub(super) fn one_of(&self, name: &str, allowed: &[&str]) -> Result<&'a str, Refusal> {
        let word = self.require(name)?.as_str();
        let word = word.filter(|word| allowed.contains(word));
        word.ok_or_else(|| {
            let allowed = allowed.join(", ").to_ascii_uppercase();
            self.invalid(name, &format!("must be one of {{{allowed}}}"))
        })
    }

    pub(super) fn maybe_flag(&self, name: &str) -> Result<bool, Refusal> {
        match self.get(name) {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(_) => Err(self.invalid(name, "must be a boolean.")),
        }
    }

    pub(super) fn integer(&self, name: &str) -> Result<i64, Refusal> {
        let number = self.require(name)?.as_i64();
        number.ok_or_else(|| self.invalid(name, "must be an integer."))
    }

    /// Degrees, as a number or one written out.
    pub(super) fn degrees(&self, name: &str, most: f64) -> Result<f64, Refusal> {
        let number = match self.require(name)? {
            Value::String(text) => text.parse().ok(),
            other => other.as_f64(),
        };
        number
            .filter(|number| number.abs() <= most)
            .ok_or_else(|| self.invalid(name, "is not a valid coordinate."))
    }

    pub(super) fn link(&self, name: &str) -> Result<&'a str, Refusal> {
        let link = self.text(name, 2048)?;
        if is_link(link) {
            Ok(link)
        } else {
            Err(self.invalid(name, "is not a valid URI."))
        }
    }

    pub(super) fn invalid(&self, name: &str, why: &str) -> Refusal {
        refusal::invalid(&self.path(name), why)
    }

    pub(super) fn missing(&self, name: &str) -> Refusal {
        refusal::missing(&self.path(name))
    }

    fn path(&self, name: &str) -> String {
        if self.at.is_empty() {
            name.to_owned()
        } else {
            format!("{}['{name}']", self.at)
        }
    }
}
