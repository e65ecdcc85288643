//! Reading JSON, with errors that point at the field.
//!
//! Whatever is read passes through a `Value` and one deserializer, which keeps the script
//! small: a type is compiled once, not once for text, once for values and once more for each
//! with its path (`serde_path_to_error` makes the script a twentieth bigger).

use serde::de::value::StrDeserializer;
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, Error as _, Expected, MapAccess,
    SeqAccess, Unexpected, VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;
use serde_json::{Error, Map, Number, Value, map};
use std::cell::RefCell;
use std::vec;

/// Reads JSON text as `T`.
pub fn parse<T: DeserializeOwned>(json: &str) -> Result<T, Error> {
    from_value(serde_json::from_str(json)?)
}

/// An object of fields, put in one by one: to collect them would compile a sort for each kind of
/// iterator.
pub fn object(fields: impl IntoIterator<Item = (String, Value)>) -> Map<String, Value> {
    let mut object = Map::new();
    object.extend(fields);
    object
}

/// Reads a value as `T`.
pub fn from_value<T: DeserializeOwned>(value: Value) -> Result<T, Error> {
    let place = RefCell::default();
    let place = &place;
    T::deserialize(Reader { value, place })
}

/// Reads a JSON object as `T`; an error is a JSON pointer below `base`, and what is wrong.
pub fn read<T: DeserializeOwned>(json: Value, base: &str) -> Result<T, (String, String)> {
    if !json.is_object() {
        return Err((base.to_owned(), "must be an object".to_owned()));
    }
    let place = RefCell::default();
    let read = T::deserialize(Reader {
        value: json,
        place: &place,
    });
    read.map_err(|error| told(format!("{base}{}", place.take()), &error))
}

fn told(pointer: String, error: &Error) -> (String, String) {
    let message = error.to_string();
    let missing = message
        .strip_prefix("missing field `")
        .and_then(|rest| rest.strip_suffix('`'));
    match missing {
        Some(field) => (format!("{pointer}/{field}"), "is required".to_owned()),
        None => (pointer, message),
    }
}

/// A value on its way into a type. Where it does not fit is noted in `place`, a JSON pointer
/// that grows at its beginning.
struct Reader<'a> {
    value: Value,
    place: &'a RefCell<String>,
}

/// Methods of a deserializer that do what another does.
macro_rules! as_other {
    ($other:ident: $($method:ident)*) => { $(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            self.$other(visitor)
        }
    )* };
}

impl<'de> Deserializer<'de> for Reader<'_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let place = self.place;
        match self.value {
            Value::Null => visitor.visit_unit(),
            Value::Bool(is) => visitor.visit_bool(is),
            Value::Number(number) => number.deserialize_any(visitor),
            Value::String(text) => visitor.visit_string(text),
            Value::Array(items) => visitor.visit_seq(Items {
                items: items.into_iter(),
                at: 0,
                place,
            }),
            Value::Object(fields) => visitor.visit_map(Fields::of(fields, place)),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.value.is_null() {
            visitor.visit_none()
        } else {
            visitor.visit_some(self)
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    /// A name, or one with a value: `{"name": value}`.
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let place = self.place;
        let (name, value) = match self.value {
            Value::String(name) => (name, None),
            Value::Object(fields) if fields.len() == 1 => {
                let field = fields.into_iter().next();
                field.map_or_else(Default::default, |(name, value)| (name, Some(value)))
            }
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::Array(_)
            | Value::Object(_) => return Err(Error::custom("must be a name")),
        };
        visitor.visit_enum(Variant { name, value, place })
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }

    // What a type asks for is all that it is given: of what else it could be made of, such as
    // a struct of an array, nothing is compiled.

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let Value::Bool(is) = self.value else {
            return Err(misfit(&self.value, &visitor));
        };
        visitor.visit_bool(is)
    }

    fn deserialize_u64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let Value::Number(number) = self.value else {
            return Err(misfit(&self.value, &visitor));
        };
        number.deserialize_any(visitor)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let Value::String(text) = self.value else {
            return Err(misfit(&self.value, &visitor));
        };
        visitor.visit_string(text)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let Value::Array(items) = self.value else {
            return Err(misfit(&self.value, &visitor));
        };
        visitor.visit_seq(Items {
            items: items.into_iter(),
            at: 0,
            place: self.place,
        })
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let Value::Object(fields) = self.value else {
            return Err(misfit(&self.value, &visitor));
        };
        visitor.visit_map(Fields::of(fields, self.place))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_map(visitor)
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_seq(visitor)
    }

    as_other! { deserialize_u64: deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64
    deserialize_u8 deserialize_u16 deserialize_u32 deserialize_f32 deserialize_f64 }
    as_other! { deserialize_str: deserialize_char deserialize_string deserialize_identifier }

    forward_to_deserialize_any! {
        i128 u128 bytes byte_buf unit unit_struct tuple_struct
    }
}

/// Why a value does not fit, in serde's words.
fn misfit(value: &Value, expected: &dyn Expected) -> Error {
    let number = |number: &Number| match (number.as_u64(), number.as_i64()) {
        (Some(unsigned), _) => Unexpected::Unsigned(unsigned),
        (None, Some(signed)) => Unexpected::Signed(signed),
        (None, None) => Unexpected::Float(number.as_f64().unwrap_or(f64::NAN)),
    };
    let unexpected = match value {
        Value::Null => Unexpected::Unit,
        Value::Bool(is) => Unexpected::Bool(*is),
        Value::Number(it) => number(it),
        Value::String(text) => Unexpected::Str(text),
        Value::Array(_) => Unexpected::Seq,
        Value::Object(_) => Unexpected::Map,
    };
    Error::invalid_type(unexpected, expected)
}

struct Items<'a> {
    items: vec::IntoIter<Value>,
    at: usize,
    place: &'a RefCell<String>,
}

impl<'de> SeqAccess<'de> for Items<'_> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Error> {
        let Some(value) = self.items.next() else {
            return Ok(None);
        };
        let place = self.place;
        let read = seed.deserialize(Reader { value, place });
        if read.is_err() {
            note(place, &self.at.to_string());
        }
        self.at += 1;
        read.map(Some)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.items.len())
    }
}

struct Fields<'a> {
    fields: map::IntoIter,
    last: Option<(String, Value)>,
    place: &'a RefCell<String>,
}

impl<'a> Fields<'a> {
    fn of(fields: Map<String, Value>, place: &'a RefCell<String>) -> Self {
        Self {
            fields: fields.into_iter(),
            last: None,
            place,
        }
    }
}

impl<'de> MapAccess<'de> for Fields<'_> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Error> {
        self.last = self.fields.next();
        let Some((name, _)) = &self.last else {
            return Ok(None);
        };
        seed.deserialize(StrDeserializer::new(name)).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        let (name, value) = self.last.take().unwrap_or_default();
        let place = self.place;
        let read = seed.deserialize(Reader { value, place });
        if read.is_err() {
            note(place, &name);
        }
        read
    }
}

/// Puts a name before a pointer.
fn note(place: &RefCell<String>, name: &str) {
    place.borrow_mut().insert_str(0, &step(name));
}

/// A name as a step of a JSON pointer (RFC 6901).
#[must_use]
pub fn step(name: &str) -> String {
    format!("/{}", name.replace('~', "~0").replace('/', "~1"))
}

/// An enum's variant, by its name.
struct Variant<'a> {
    name: String,
    value: Option<Value>,
    place: &'a RefCell<String>,
}

impl<'de> EnumAccess<'de> for Variant<'_> {
    type Error = Error;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Error> {
        let name = seed.deserialize(StrDeserializer::new(&self.name))?;
        Ok((name, self))
    }
}

impl<'de> VariantAccess<'de> for Variant<'_> {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        match self.value {
            None => Ok(()),
            Some(_) => Err(Error::custom("must be a name")),
        }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Error> {
        let (value, place) = (self.value.unwrap_or_default(), self.place);
        seed.deserialize(Reader { value, place })
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Error> {
        Err(Error::invalid_type(Unexpected::UnitVariant, &visitor))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        Err(Error::invalid_type(Unexpected::UnitVariant, &visitor))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;
    use serde_json::json;
    use std::collections::BTreeMap;

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(rename_all = "camelCase")]
    struct Order {
        id: String,
        of: Option<Kind>,
        #[serde(default)]
        items: Vec<Item>,
        #[serde(default)]
        by_name: BTreeMap<String, i64>,
        file: Option<File>,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(rename_all = "lowercase")]
    enum File {
        Url(String),
    }

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(rename_all = "lowercase")]
    enum Kind {
        Pix,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    struct Item {
        amount: u32,
        rate: f64,
    }

    #[test]
    fn what_fits_is_read_as_serde_json_reads_it() {
        for json in [
            json!({ "id": "1" }),
            json!({ "id": "1", "of": null, "more": [{}] }),
            json!({ "id": "1", "file": { "url": "https://shop.example" } }),
            json!({ "id": "é", "of": "pix", "items": [{ "amount": 1, "rate": 2 }], "byName": { "a/b": -1 } }),
        ] {
            let theirs: Order = serde_json::from_value(json.clone()).expect("an order");
            assert_eq!(from_value::<Order>(json.clone()).expect("an order"), theirs);
            assert_eq!(read::<Order>(json, "").expect("an order"), theirs);
        }
        assert_eq!(from_value::<(u8, u8)>(json!([1, 2])).expect("two"), (1, 2));
    }

    #[test]
    fn what_does_not_fit_is_pointed_at() {
        for (json, pointer) in [
            (json!({}), "/base/id"),
            (json!({ "id": 1 }), "/base/id"),
            (json!({ "id": "1", "of": "cash" }), "/base/of"),
            (json!({ "id": "1", "of": 5 }), "/base/of"),
            (json!({ "id": "1", "of": {} }), "/base/of"),
            (json!({ "id": "1", "of": { "pix": 1 } }), "/base/of"),
            (json!({ "id": "1", "file": "url" }), "/base/file"),
            (json!({ "id": "1", "file": { "url": 1 } }), "/base/file"),
            (
                json!({ "id": "1", "items": [{ "amount": 1, "rate": 1 }, { "rate": 1 }] }),
                "/base/items/1/amount",
            ),
            (
                json!({ "id": "1", "items": [{ "amount": -1, "rate": 1 }] }),
                "/base/items/0/amount",
            ),
            (json!({ "id": "1", "items": {} }), "/base/items"),
            (json!({ "id": "1", "items": [[1, 1]] }), "/base/items/0"),
            (
                json!({ "id": "1", "byName": { "a/b~c": "x" } }),
                "/base/byName/a~1b~0c",
            ),
        ] {
            let error = read::<Order>(json.clone(), "/base").expect_err("it does not fit");
            assert_eq!(error.0, pointer, "{json}");
            assert!(!error.1.is_empty());
        }
        assert!(from_value::<Order>(json!([])).is_err());
    }
}
