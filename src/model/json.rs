//! Reading JSON.

use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_path_to_error::Segment;

/// Reads JSON text as `T`, by way of a value: types are then compiled for one way of reading only,
/// which keeps the script small.
pub fn parse<T: DeserializeOwned>(json: &str) -> Result<T, serde_json::Error> {
    serde_json::from_value(serde_json::from_str(json)?)
}

/// Reads a JSON object as `T`; an error is a JSON pointer below `base`, and what is wrong.
pub fn read<T: DeserializeOwned>(json: Value, base: &str) -> Result<T, (String, String)> {
    if !json.is_object() {
        return Err((base.to_owned(), "must be an object".to_owned()));
    }
    serde_path_to_error::deserialize(json).map_err(|error| {
        let mut pointer = base.to_owned();
        for segment in error.path() {
            match segment {
                Segment::Seq { index } => pointer.push_str(&format!("/{index}")),
                Segment::Map { key } => {
                    pointer.push('/');
                    pointer.push_str(&key.replace('~', "~0").replace('/', "~1"));
                }
                Segment::Enum { .. } | Segment::Unknown => {}
            }
        }
        told(pointer, error.inner())
    })
}

fn told(pointer: String, error: &serde_json::Error) -> (String, String) {
    let message = error.to_string();
    let missing = message
        .strip_prefix("missing field `")
        .and_then(|rest| rest.strip_suffix('`'));
    match missing {
        Some(field) => (format!("{pointer}/{field}"), "is required".to_owned()),
        None => (pointer, message),
    }
}
