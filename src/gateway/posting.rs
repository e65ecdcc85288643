//! One POST to a subscriber: the event in the endpoint's style, signed, and what came back.

use super::endpoints::place;
use super::guard::check_url;
use super::style::{self, Event, Header, Signing};
use super::{Error, Gateway, Ports, next};
use crate::channel::retry_after_ms;
use crate::model::access::{Environment, Key};
use crate::model::event::{EventType, Style};
use crate::model::id::{EndpointId, EventId, WorkspaceId};
use crate::model::json;
use crate::model::time::Timestamp;
use crate::store::endpoints;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, USER_AGENT};
use http::{HeaderName, HeaderValue, Request};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// How long a subscriber may take to answer.
const DEADLINE_MS: u32 = 15_000;
/// How long it may take to answer while somebody waits.
const VALIDATION_MS: u32 = 5_000;
/// How much of a subscriber's answer is kept.
const KEPT_BYTES: usize = 1024;

/// What calling an endpoint takes, as stored.
#[derive(Deserialize)]
pub(super) struct Subscriber {
    url: String,
    secret: String,
    /// While it signs too.
    old_secret: Option<String>,
    headers: String,
    style: Style,
    environment: Environment,
    /// 0 or 1.
    requires_signature: i64,
}

/// An event as it is stored.
pub(super) struct Stored<'a> {
    pub id: EventId,
    pub kind: &'a str,
    pub at: Timestamp,
    pub data: &'a str,
}

/// How an attempt ended.
pub(super) enum Answer {
    /// Our own data cannot be rendered or signed; another try would not help.
    Unusable(&'static str),
    Nothing,
    Status {
        status: u16,
        retry_after_ms: Option<i64>,
        body: String,
    },
}

impl<P: Ports> Gateway<P> {
    pub(super) async fn call_subscriber(
        &self,
        (workspace, endpoint): (WorkspaceId, EndpointId),
        subscriber: &Subscriber,
        event: &Stored<'_>,
    ) -> Answer {
        let request = match self.signed(workspace, endpoint, subscriber, event) {
            Ok(request) => request,
            Err(why) => return Answer::Unusable(why),
        };
        match self.ports.fetch(request, DEADLINE_MS).await {
            Err(_) => Answer::Nothing,
            Ok(response) => Answer::Status {
                status: response.status().as_u16(),
                retry_after_ms: retry_after_ms(&response),
                body: kept(response.body()),
            },
        }
    }

    fn signed(
        &self,
        workspace: WorkspaceId,
        endpoint: EndpointId,
        subscriber: &Subscriber,
        event: &Stored<'_>,
    ) -> Result<Request<Bytes>, &'static str> {
        let own = place(workspace, endpoint, "secret");
        let secrets: Vec<String> = [Some(&subscriber.secret), subscriber.old_secret.as_ref()]
            .into_iter()
            .flatten()
            .filter_map(|sealed| self.config.vault.open(sealed, &own))
            .collect();
        let secrets: Vec<&str> = secrets.iter().map(String::as_str).collect();
        if secrets.is_empty() {
            return Err("the endpoint's secret does not open");
        }
        let (kind, body) =
            render(workspace, subscriber, event).ok_or("the event cannot be rendered")?;
        let signing = Signing {
            style: subscriber.style,
            is_required: subscriber.requires_signature != 0,
            secrets: &secrets,
            at: self.now(),
        };
        let own =
            style::headers(&signing, event.id, kind, &body).ok_or("the event cannot be signed")?;
        let extra = self
            .open_headers(workspace, endpoint, &subscriber.headers)
            .ok_or("the endpoint's headers do not open")?;
        let url = self
            .check_subscriber_url(&subscriber.url)
            .map_err(|_| "the endpoint's URL may not be called")?;
        post(&url, &extra, own, body).ok_or("the endpoint's URL or headers cannot form a request")
    }

    /// Checks that a subscriber may be called at a URL, which it gives as it was understood.
    pub(super) fn check_subscriber_url(&self, url: &str) -> Result<String, &'static str> {
        let config = &self.config;
        check_url(url, &config.public_url, config.allow_insecure_webhooks)
    }

    /// Sends an endpoint an example, signed as every event, and says what it answered. It is
    /// not stored, and not tried again.
    pub async fn test_endpoint(&self, key: &Key, id: EndpointId) -> Result<Value, Error> {
        let now = self.now();
        let statement = endpoints::called(key.workspace_id, id, now);
        let mut rows = self.read(key, vec![statement]).await?;
        let found: Vec<Subscriber> = next(&mut rows).records()?;
        let subscriber = found.first().ok_or(Error::not_found("webhook"))?;
        let event: EventId = self.fresh(now);
        let example = Stored {
            id: event,
            kind: EventType::MessageReceived.name(),
            at: now,
            data: &example(event, now),
        };
        let answer = self
            .call_subscriber((key.workspace_id, id), subscriber, &example)
            .await;
        let (status, response) = match answer {
            Answer::Unusable(why) => (None, why.to_owned()),
            Answer::Nothing => (None, NO_ANSWER.to_owned()),
            Answer::Status { status, body, .. } => (Some(status), body),
        };
        Ok(json!({
            "eventId": event,
            "delivered": status.is_some_and(|status| (200..300).contains(&status)),
            "responseStatus": status,
            "response": response,
            "durationMs": self.now().ms() - now.ms(),
        }))
    }

    /// Whether a URL gives back, as a JSON string, the token that it is sent.
    pub(super) async fn validates(&self, url: &str, headers: &BTreeMap<String, String>) -> bool {
        let token = self.token();
        let own = vec![("x-validation-token", token.clone())];
        let Some(request) = post(url, headers, own, Bytes::from_static(b"{}")) else {
            return false;
        };
        let answer = self.ports.fetch(request, VALIDATION_MS).await;
        answer.is_ok_and(|answer| {
            let said = serde_json::from_slice::<String>(answer.body());
            answer.status() == http::StatusCode::OK && said.is_ok_and(|said| said == token)
        })
    }
}

/// What is kept where there was no answer.
pub(super) const NO_ANSWER: &str = "no complete answer";

fn render(
    workspace: WorkspaceId,
    subscriber: &Subscriber,
    event: &Stored<'_>,
) -> Option<(EventType, Bytes)> {
    let kind = EventType::parse(event.kind)?;
    let event = Event {
        id: event.id,
        workspace_id: workspace,
        kind,
        at: event.at,
        environment: subscriber.environment,
        snapshot: json::parse(event.data).ok()?,
    };
    Some((kind, style::body(subscriber.style, event)?))
}

/// The snapshot of a message that nobody wrote.
fn example(id: EventId, now: Timestamp) -> String {
    let at = now.ms();
    json!({
        "channel": { "id": id, "type": "whatsapp", "name": "Test", "identifier": "+15550100000" },
        "conversation": {
            "id": id, "channel_id": id, "channel_type": "whatsapp", "contact_id": id,
            "contact_name": "Test", "address": "15550199999", "status": "open", "mode": "ai",
            "assignee": null, "unread_count": 1, "enforce_window": 1, "last_inbound_at": at,
            "last_outbound_at": null, "last_activity_at": at, "created_at": at,
        },
        "message": {
            "id": id, "conversation_id": id, "channel_id": id, "channel_type": "whatsapp",
            "contact_id": id, "direction": "inbound", "status": "received",
            "content": { "type": "text", "text": "This is a test." }, "metadata": { "test": true },
            "error": {}, "seq": 1, "times": {
                "scheduled_at": null, "expires_at": null, "created_at": at, "sending_at": null,
                "unknown_at": null, "sent_at": null, "delivered_at": null, "read_at": null,
                "failed_at": null, "expired_at": null,
            },
        },
    })
    .to_string()
}

fn post(
    url: &str,
    extra: &BTreeMap<String, String>,
    own: Vec<Header>,
    body: Bytes,
) -> Option<Request<Bytes>> {
    let mut request = Request::post(url).body(body).ok()?;
    let headers = request.headers_mut();
    headers.insert(USER_AGENT, HeaderValue::from_static("Patchbay"));
    for (name, value) in extra {
        let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
        headers.insert(name, HeaderValue::from_str(value).ok()?);
    }
    // Ours, last: nothing replaces them.
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    for (name, value) in own {
        headers.insert(name, HeaderValue::from_str(&value).ok()?);
    }
    Some(request)
}

/// The beginning of an answer, as text.
fn kept(body: &[u8]) -> String {
    let head = body.get(..KEPT_BYTES).unwrap_or(body);
    String::from_utf8_lossy(head).into_owned()
}
