//! Holds every answer to what `openapi.yaml` says of it, and every body that was taken too.

use http::header::CONTENT_TYPE;
use http::{Method, Response};
use jsonschema::Validator;
use matchit::Router;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex};

static API: LazyLock<Value> = LazyLock::new(|| {
    let json = include_str!(concat!(env!("OUT_DIR"), "/openapi.json"));
    serde_json::from_str(json).expect("JSON")
});

static PATHS: LazyLock<Router<&Value>> = LazyLock::new(|| {
    let mut router = Router::new();
    for (path, item) in API["paths"].as_object().expect("paths") {
        router.insert(path, item).expect("a path of its own");
    }
    router
});

/// By the schema, and which fields may be there.
static VALIDATORS: LazyLock<Mutex<HashMap<String, Arc<Validator>>>> = LazyLock::new(Mutex::default);

/// Fails where the answer is not described, or is not as it is described, or where a body was
/// taken that should not have been. What is at no path, or not by that method, is described nowhere.
#[track_caller]
pub fn hold(
    (asked, path): (&Method, &str),
    (body, fields): (&[u8], Fields),
    response: &Response<impl AsRef<[u8]>>,
) {
    let is_head = asked == Method::HEAD;
    let method = if is_head { &Method::GET } else { asked };
    let Ok(found) = PATHS.at(path) else { return };
    let operation = &found.value[method.as_str().to_lowercase()];
    if operation.is_null() {
        return;
    }
    let status = response.status();
    let what = format!("{method} {path}: {status}");
    let answers = &operation["responses"];
    let described = answers
        .get(status.as_str())
        .or_else(|| answers.get("default"));
    let described = described.unwrap_or_else(|| panic!("{what} is not described"));
    let described = resolved(described);
    let told = response.body().as_ref();
    if !is_head {
        answer(&what, described, response.headers().get(CONTENT_TYPE), told);
    }
    let is_taken = status.is_success() && !holds(told, "valid", &json!(false));
    let wanted = &operation["requestBody"]["content"]["application/json"]["schema"];
    if is_taken && wanted.as_object().is_some_and(|schema| !schema.is_empty()) {
        let body: Value = serde_json::from_slice(body).expect("a body that was taken is JSON");
        check(
            &format!("{what}, its request"),
            wanted,
            &filled(body),
            fields,
        );
    }
}

/// Fails where a subscriber is told an event otherwise than described. In other styles than the
/// standard one it is told as another product documents it.
#[track_caller]
pub fn hold_event(body: &[u8]) {
    let schema =
        &API["webhooks"]["event"]["post"]["requestBody"]["content"]["application/json"]["schema"];
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    if body["data"]["workspaceId"].is_null() {
        return;
    }
    check("an event", schema, &body, Fields::Described);
}

#[track_caller]
fn answer(what: &str, described: &Value, kind: Option<&http::HeaderValue>, body: &[u8]) {
    let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or("");
    let kind = kind.split(';').next().unwrap_or("");
    let Some(content) = described.get("content") else {
        assert!(body.is_empty(), "{what} has a body");
        return;
    };
    let described = content.get(kind).or_else(|| content.get("*/*"));
    let described = described.unwrap_or_else(|| panic!("{what} as {kind:?} is not described"));
    if kind.ends_with("json") && content.get("*/*").is_none() {
        let body = serde_json::from_slice(body).expect("JSON");
        check(what, &described["schema"], &body, Fields::Described);
    }
}

/// Which fields may be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fields {
    Described,
    Any,
}

#[track_caller]
fn check(what: &str, schema: &Value, value: &Value, fields: Fields) {
    let place = format!("{fields:?} {schema}");
    let known = VALIDATORS.lock().expect("a lock").get(&place).cloned();
    let validator = known.unwrap_or_else(|| {
        let mut schema = json!({ "allOf": [schema], "components": API["components"] });
        if fields == Fields::Described {
            close(&mut schema);
        }
        let made = jsonschema::options()
            .should_validate_formats(true)
            .build(&schema);
        let made = Arc::new(made.expect("a schema"));
        VALIDATORS
            .lock()
            .expect("a lock")
            .insert(place, Arc::clone(&made));
        made
    });
    let wrong: Vec<String> = validator
        .iter_errors(value)
        .map(|error| format!("{} {error}", error.instance_path()))
        .collect();
    assert!(
        wrong.is_empty(),
        "{what} is not as described: {wrong:#?}\n{value:#}"
    );
}

/// Has every object whose fields are told have no others.
fn close(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            fields.values_mut().for_each(close);
            let is_open = fields.contains_key("additionalProperties");
            if fields.get("properties").is_some_and(Value::is_object) && !is_open {
                fields.insert("additionalProperties".to_owned(), json!(false));
            }
        }
        Value::Array(items) => items.iter_mut().for_each(close),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Without the fields that are `null`, which mean nothing in most places.
fn filled(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let given = fields.into_iter().filter(|(_, value)| !value.is_null());
            Value::Object(given.map(|(name, value)| (name, filled(value))).collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(filled).collect()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value,
    }
}

fn holds(body: &[u8], field: &str, value: &Value) -> bool {
    serde_json::from_slice(body).is_ok_and(|body: Value| body[field] == *value)
}

fn resolved(described: &'static Value) -> &'static Value {
    let Some(place) = described["$ref"].as_str() else {
        return described;
    };
    API.pointer(place.trim_start_matches('#'))
        .expect("what is referred to")
}
