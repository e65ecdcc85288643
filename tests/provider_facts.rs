//! Every golden request held against what the providers' own machine-readable descriptions
//! say of their methods: names, required parameters, types. The facts are in `tests/facts`,
//! with their source.

use serde_json::{Map, Value};
use std::fs;
use std::path::Path;

fn json(path: &Path) -> Value {
    let text = fs::read(path).unwrap_or_else(|_| panic!("{} is missing", path.display()));
    serde_json::from_slice(&text).expect("JSON")
}

fn facts(name: &str) -> Value {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/facts");
    json(&folder.join(name))
}

/// The requests of a channel's golden files.
fn requests(channel: &str) -> Vec<Value> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("src/channel")
        .join(channel)
        .join("fixtures/outbound");
    let entries = fs::read_dir(folder).expect("a folder");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let golden = paths.filter(|path| path.to_string_lossy().ends_with(".golden.json"));
    let mut found = Vec::new();
    for path in golden {
        match json(&path) {
            Value::Array(several) => found.extend(several),
            only => found.push(only),
        }
    }
    assert!(!found.is_empty());
    found
}

/// What is wrong with an object, by the fields its type has.
fn wrong_with(object: &Map<String, Value>, fields: &Value, facts: &Value) -> Vec<String> {
    let fields = fields.as_object().expect("fields");
    let mut wrong = Vec::new();
    for (name, field) in fields {
        if field["required"] == true && !object.contains_key(name) {
            wrong.push(format!("{name} is missing"));
        }
    }
    for (name, value) in object {
        let Some(field) = fields.get(name) else {
            wrong.push(format!("{name} is unknown"));
            continue;
        };
        let types = field["types"].as_array().expect("types");
        let reasons: Vec<Vec<String>> = types
            .iter()
            .filter_map(Value::as_str)
            .map(|kind| wrong_as(value, kind, facts))
            .collect();
        if !reasons.iter().any(Vec::is_empty) {
            wrong.push(format!("{name} is none of {types:?}: {reasons:?}"));
        }
    }
    wrong
}

/// Why a value is not of a type; nothing where it is.
fn wrong_as(value: &Value, kind: &str, facts: &Value) -> Vec<String> {
    if let Some(of) = kind.strip_prefix("Array of ") {
        let Some(items) = value.as_array() else {
            return vec!["is no array".to_owned()];
        };
        return items
            .iter()
            .flat_map(|item| wrong_as(item, of, facts))
            .collect();
    }
    let is_right = match kind {
        "String" => value.is_string(),
        "Integer" => value.is_i64(),
        "Float" => value.is_number(),
        "Boolean" | "True" => value.is_boolean(),
        // The one kind of reaction that a bot may give.
        "ReactionType" => return wrong_as(value, "ReactionTypeEmoji", facts),
        _ => {
            let Some(fields) = facts["types"].get(kind) else {
                return vec![format!("nothing is known of {kind}")];
            };
            let Some(object) = value.as_object() else {
                return vec!["is no object".to_owned()];
            };
            return wrong_with(object, fields, facts);
        }
    };
    if is_right {
        vec![]
    } else {
        vec![format!("is no {kind}")]
    }
}

#[test]
fn every_telegram_request_calls_a_method_there_is_with_parameters_it_takes() {
    let facts = facts("telegram.json");
    let mut called = Vec::new();
    let mut wrong = Vec::new();
    for request in requests("telegram") {
        let url = request["url"].as_str().expect("a url");
        let method = url.rsplit('/').next().unwrap_or("").to_owned();
        let Some(fields) = facts["methods"].get(&method) else {
            panic!("{method} is no method of the Bot API");
        };
        let body = request["body"].as_object().expect("an object");
        wrong.extend(
            wrong_with(body, fields, &facts)
                .into_iter()
                .map(|what| format!("{method}: {what}")),
        );
        called.push(method);
    }
    assert_eq!(wrong, Vec::<String>::new());
    let methods = facts["methods"].as_object().expect("methods");
    for method in methods.keys() {
        assert!(called.contains(method), "{method} is called by no fixture");
    }
}

#[test]
fn every_key_of_a_telegram_keyboard_does_exactly_one_thing() {
    let mut keys = 0;
    for request in requests("telegram") {
        let rows = request.pointer("/body/reply_markup/inline_keyboard");
        for key in rows.and_then(Value::as_array).into_iter().flatten() {
            let key = key[0].as_object().expect("a key");
            assert_eq!(key.len(), 2, "{key:?}");
            assert!(key.contains_key("text"));
            keys += 1;
        }
    }
    assert!(keys > 5);
}

#[test]
fn every_sms_request_has_the_parameters_that_twilio_takes() {
    let facts = facts("twilio.json");
    let parameters = facts["parameters"].as_object().expect("parameters");
    let path = facts["path"].as_str().expect("a path");
    let (before, after) = path.split_once("{AccountSid}").expect("an account");
    for request in requests("sms") {
        let url = request["url"].as_str().expect("a url");
        assert!(url.contains(before) && url.ends_with(after), "{url}");
        let body = request["body"].as_object().expect("an object");
        for name in facts["required"].as_array().expect("names") {
            assert!(body.contains_key(name.as_str().expect("a name")));
        }
        for name in body.keys() {
            assert!(parameters.contains_key(name), "{name} is unknown");
        }
        assert!(body.contains_key("Body") || body.contains_key("MediaUrl"));
    }
}
