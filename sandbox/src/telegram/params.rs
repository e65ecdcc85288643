//! Parameters of a Bot API call, however they were sent.

use axum::Form;
use axum::extract::{FromRequest, Request};
use bytes::Bytes;
use http::{Method, header};
use serde_json::{Map, Value};

use super::Refusal;

/// What came in the query string, a form or a JSON object.
pub(super) struct Params(Map<String, Value>);

/// The message a message answers.
pub(super) struct Reply {
    pub message_id: i64,
    pub must_exist: bool,
}

impl Params {
    pub(super) async fn read(request: Request) -> Self {
        let content_type = request.headers().get(header::CONTENT_TYPE);
        let is_form = content_type
            .and_then(|value| value.to_str().ok())
            .is_some_and(|value| value.starts_with("application/x-www-form-urlencoded"));
        if is_form || request.method() == Method::GET {
            let form = Form::<Vec<(String, String)>>::from_request(request, &()).await;
            let pairs = form.map(|Form(pairs)| pairs).unwrap_or_default();
            let text = |(name, value)| (name, Value::String(value));
            return Self(pairs.into_iter().map(text).collect());
        }
        let body = Bytes::from_request(request, &()).await.unwrap_or_default();
        Self(serde_json::from_slice(&body).unwrap_or_default())
    }

    /// The parameters as the journal keeps them: without the webhook's secret.
    pub(super) fn as_value(&self) -> Value {
        let mut params = self.0.clone();
        params.remove("secret_token");
        Value::Object(params)
    }

    /// A string, or a number written out.
    pub(super) fn get(&self, name: &str) -> Option<String> {
        match self.0.get(name)? {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
        }
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
        let value = match self.0.get(name) {
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

    pub(super) fn reply_to(&self) -> Result<Option<Reply>, Refusal> {
        let Some(reply) = self.object("reply_parameters")? else {
            return Ok(self.int("reply_to_message_id").map(|message_id| Reply {
                message_id,
                must_exist: true,
            }));
        };
        let Some(message_id) = reply.get("message_id").and_then(Value::as_i64) else {
            let why = "can't parse reply parameters: Field \"message_id\" must be of type Number";
            return Err(Refusal::bad_request(why));
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
