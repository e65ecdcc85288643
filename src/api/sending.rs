//! What every route that sends a message does alike, on whatever surface.

use super::reading::parse;
use super::{Call, Refusal, auth};
use crate::gateway::{Accepted, Error, Freshness, Gateway, Idempotency, Pace, Ports, Send};
use bytes::Bytes;
use http::{HeaderValue, Response};
use serde_json::Value;

/// A route that sends.
pub struct Route<'a> {
    /// Method and path, the same for all its aliases: idempotency keys hold within it.
    pub name: &'a str,
    pub pace: Pace,
    /// The field of the body that holds a client's own id of the message, if there is one.
    pub client_message_id: Option<&'static str>,
}

/// Sends a message. The body is JSON before anything else is looked at; whether it
/// is a message is for the send to say, after it looked for a replay.
pub async fn send<P: Ports>(
    gateway: &Gateway<P>,
    call: &Call<'_>,
    route: &Route<'_>,
    read: impl FnOnce(Value) -> Result<Send, Error>,
) -> Result<Accepted, Refusal> {
    let headers = call.request.headers();
    let secret = auth::secret(gateway, headers).await?;
    let json = match parse(call) {
        Ok(json) => json,
        Err(refusal) => {
            gateway.authenticate(&secret, Freshness::Now).await?;
            return Err(refusal);
        }
    };
    let (scope, key_refusal) = match auth::idempotency_key(headers) {
        Ok(key) => (key.map(|key| format!("{} {key}", route.name)), None),
        Err(refusal) => (None, Some(refusal)),
    };
    let idempotency = Idempotency {
        scope,
        client_message_id: route
            .client_message_id
            .and_then(|field| json.get(field))
            .and_then(Value::as_str)
            .map(str::to_owned),
        fingerprint: auth::fingerprint(&json),
    };
    let wanted = match key_refusal {
        Some(refusal) => Err(refusal),
        None => read(json),
    };
    Ok(gateway
        .send(&secret, &idempotency, wanted, route.pace)
        .await?)
}

/// Marks an answer that was given before.
pub fn marked(mut response: Response<Bytes>, is_replay: bool) -> Response<Bytes> {
    if is_replay {
        response
            .headers_mut()
            .insert("idempotency-replayed", HeaderValue::from_static("true"));
    }
    response
}
