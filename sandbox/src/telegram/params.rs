//! Parameters of a Bot API call, however they were sent.

use axum::Form;
use axum::extract::{FromRequest, Request};
use bytes::Bytes;
use http::{Method, header};
use serde_json::{Map, Value};

use super::facts::Kind;
use super::{Refusal, file};
use crate::multipart::{self, Upload, is_multipart};
use crate::state::Shared;

/// What came in the query string, a form or a JSON object.
pub(super) struct Params {
    fields: Map<String, Value>,
    /// In JSON a value has a type; elsewhere all are text.
    is_json: bool,
    /// The files of the form.
    uploads: Vec<Upload>,
}

/// The fields of `ReplyParameters`.
const REPLY: [(&str, Kind); 9] = [
    ("message_id", Kind::Integer),
    ("chat_id", Kind::Chat),
    ("allow_sending_without_reply", Kind::Flag),
    ("quote", Kind::Text),
    ("quote_parse_mode", Kind::Text),
    ("quote_entities", Kind::Array),
    ("quote_position", Kind::Integer),
    ("checklist_task_id", Kind::Integer),
    ("poll_option_id", Kind::Text),
];

/// The message a message answers.
pub(super) struct Reply {
    pub message_id: i64,
    pub must_exist: bool,
}

impl Params {
    pub(super) async fn read(shared: &Shared, request: Request) -> Result<Self, Refusal> {
        if is_multipart(request.headers()) {
            let (parts, body) = request.into_parts();
            let form = multipart::Form::read(shared, &parts.headers, body, file::LONGEST).await;
            let form =
                form.map_err(|why| Refusal::bad_request(&format!("can't parse form: {}", why.0)))?;
            let texts = form.texts.into_iter();
            return Ok(Self {
                fields: texts
                    .map(|(name, text)| (name, Value::String(text)))
                    .collect(),
                is_json: false,
                uploads: form.uploads,
            });
        }
        let content_type = request.headers().get(header::CONTENT_TYPE);
        let is_form = content_type
            .and_then(|value| value.to_str().ok())
            .is_some_and(|value| value.starts_with("application/x-www-form-urlencoded"));
        if is_form || request.method() == Method::GET {
            let form = Form::<Vec<(String, String)>>::from_request(request, &()).await;
            let pairs = form.map(|Form(pairs)| pairs).unwrap_or_default();
            let text = |(name, value)| (name, Value::String(value));
            return Ok(Self {
                fields: pairs.into_iter().map(text).collect(),
                is_json: false,
                uploads: Vec::new(),
            });
        }
        let body = Bytes::from_request(request, &()).await.unwrap_or_default();
        Ok(Self {
            fields: serde_json::from_slice(&body).unwrap_or_default(),
            is_json: true,
            uploads: Vec::new(),
        })
    }

    /// Refuses what the method does not have, and what is of another type than it has.
    pub(super) fn check(&self, facts: &[&[(&str, Kind)]]) -> Result<(), Refusal> {
        let unknown = |name: &str| Refusal::bad_request(&format!("unknown parameter \"{name}\""));
        let kind_of = |name: &str| {
            let mut known = facts.iter().flat_map(|facts| facts.iter());
            known
                .find(|(known, _)| *known == name)
                .map(|(_, kind)| *kind)
        };
        for upload in &self.uploads {
            let name = &upload.name;
            let named = Value::String(format!("attach://{name}"));
            let is_meant = self.fields.values().any(|value| *value == named);
            if !is_meant && kind_of(name) != Some(Kind::File) {
                return Err(unknown(name));
            }
        }
        for (name, value) in &self.fields {
            let kind = kind_of(name).ok_or_else(|| unknown(name))?;
            if !value.is_null() && !self.is_of(value, kind) {
                let why = format!("parameter \"{name}\" must be of type {kind:?}");
                return Err(Refusal::bad_request(&why));
            }
        }
        Ok(())
    }

    fn is_of(&self, value: &Value, kind: Kind) -> bool {
        match (kind, value) {
            (Kind::Text | Kind::File, Value::String(_)) | (Kind::Flag, Value::Bool(_)) => true,
            (Kind::Object, Value::Object(_)) | (Kind::Array, Value::Array(_)) => true,
            (Kind::Integer | Kind::Chat, Value::Number(number)) => number.is_i64(),
            (Kind::Float, Value::Number(_)) | (Kind::Chat, Value::String(_)) => true,
            (_, Value::String(text)) if !self.is_json => match kind {
                Kind::Integer => text.parse::<i64>().is_ok(),
                Kind::Float => text.parse::<f64>().is_ok(),
                Kind::Flag => matches!(text.as_str(), "true" | "false" | "1" | "0"),
                Kind::Object => text.trim_start().starts_with('{'),
                Kind::Array => text.trim_start().starts_with('['),
                Kind::Text | Kind::File | Kind::Chat => true,
            },
            (_, _) => false,
        }
    }

    /// The parameters as the journal keeps them: without the webhook's secret.
    pub(super) fn as_value(&self) -> Value {
        let mut params = self.fields.clone();
        params.remove("secret_token");
        for upload in &self.uploads {
            params.insert(upload.name.clone(), upload.as_value());
        }
        Value::Object(params)
    }

    /// A string, or a number written out.
    pub(super) fn get(&self, name: &str) -> Option<String> {
        match self.fields.get(name)? {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
        }
    }

    /// The file of a parameter: the one of its name, or the one it names.
    pub(super) fn upload(&self, name: &str) -> Option<&Upload> {
        let value = self.get(name);
        let named = value
            .as_deref()
            .and_then(|value| value.strip_prefix("attach://"));
        let name = named.unwrap_or(name);
        self.uploads.iter().find(|upload| upload.name == name)
    }

    pub(super) fn int(&self, name: &str) -> Option<i64> {
        self.get(name)?.parse().ok()
    }

    pub(super) fn float(&self, name: &str) -> Result<f64, Refusal> {
        let number = self.get(name).and_then(|value| value.parse().ok());
        number.ok_or_else(|| Refusal::bad_request(&format!("parameter \"{name}\" is required")))
    }

    pub(super) fn required(&self, name: &str, otherwise: &str) -> Result<String, Refusal> {
        let value = self.get(name).filter(|value| !value.trim().is_empty());
        value.ok_or_else(|| Refusal::bad_request(otherwise))
    }

    /// A parameter that must not be empty; `what` names it to the caller.
    pub(super) fn text(&self, name: &str, what: &str) -> Result<String, Refusal> {
        self.required(name, &format!("parameter \"{what}\" is required"))
    }

    /// An object, or one written as JSON in a string, which is how forms carry them.
    pub(super) fn object(&self, name: &str) -> Result<Option<Value>, Refusal> {
        let value = match self.fields.get(name) {
            None | Some(Value::Null) => return Ok(None),
            Some(Value::String(text)) => serde_json::from_str(text).unwrap_or_default(),
            Some(other) => other.clone(),
        };
        if !value.is_object() {
            let why = format!("can't parse {}: expected an Object", name.replace('_', " "));
            return Err(Refusal::bad_request(&why));
        }
        Ok(Some(value))
    }

    /// An array, or one written as JSON in a string.
    pub(super) fn array(&self, name: &str) -> Vec<Value> {
        match self.fields.get(name) {
            Some(Value::Array(items)) => items.clone(),
            Some(Value::String(text)) => serde_json::from_str(text).unwrap_or_default(),
            _ => Vec::new(),
        }
    }

    pub(super) fn reply_to(&self) -> Result<Option<Reply>, Refusal> {
        let Some(reply) = self.object("reply_parameters")? else {
            return Ok(None);
        };
        let unreadable =
            |why: String| Refusal::bad_request(&format!("can't parse reply parameters: {why}"));
        let fields = reply.as_object().into_iter().flatten();
        for (name, value) in fields {
            let known = REPLY.iter().find(|(known, _)| known == name);
            let (_, kind) = known.ok_or_else(|| unreadable(format!("unknown field \"{name}\"")))?;
            if !self.is_of(value, *kind) {
                return Err(unreadable(format!(
                    "Field \"{name}\" must be of type {kind:?}"
                )));
            }
        }
        let Some(message_id) = reply.get("message_id").and_then(Value::as_i64) else {
            return Err(unreadable("Can't find field \"message_id\"".to_owned()));
        };
        let allowed = reply.get("allow_sending_without_reply");
        Ok(Some(Reply {
            message_id,
            must_exist: allowed.and_then(Value::as_bool) != Some(true),
        }))
    }

    /// The address and the secret of `setWebhook`. No address means no webhook.
    ///
    /// Telegram wants HTTPS; an address on this machine may do without.
    pub(super) fn webhook(&self) -> Result<(Option<String>, Option<String>), Refusal> {
        let secret = self.get("secret_token");
        if let Some(secret) = &secret {
            let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
            if !(1..=256).contains(&secret.len()) {
                return Err(Refusal::bad_request(
                    "secret token must be 1-256 characters long",
                ));
            }
            if !secret.bytes().all(allowed) {
                return Err(Refusal::bad_request(
                    "secret token contains unallowed characters",
                ));
            }
        }
        let url = self.get("url").filter(|url| !url.is_empty());
        if let Some(url) = &url {
            let local = ["http://127.0.0.1", "http://localhost", "http://[::1]"];
            let is_local = local.iter().any(|prefix| url.starts_with(prefix));
            if !is_local && !url.starts_with("https://") {
                return Err(Refusal::bad_request(
                    "bad webhook: An HTTPS URL must be provided for webhook",
                ));
            }
        }
        Ok((url, secret))
    }
}
