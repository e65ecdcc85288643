//! What a subscriber receives, checked as a subscriber should check it.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use patchbay_sandbox::{Event, Sandbox};
use serde_json::Value;
use standardwebhooks::Webhook;

use super::{SOON, eventually};

pub struct Subscriber {
    pub name: String,
    sandbox: Sandbox,
    verifier: Webhook,
}

/// A webhook with a right signature.
#[derive(Clone, Debug)]
pub struct Received {
    /// `webhook-id`.
    pub id: String,
    pub kind: String,
    pub data: Value,
    pub raw: Arc<Event>,
}

impl Subscriber {
    pub fn new(sandbox: Sandbox, name: String, secret: &str) -> Self {
        let verifier = Webhook::new(secret).expect("a secret in base64");
        Self {
            name,
            sandbox,
            verifier,
        }
    }

    /// All so far, oldest first. Every one must be signed rightly.
    pub fn received(&self) -> Vec<Received> {
        let newest_first = self.sandbox.events(&self.name, 0);
        let oldest_first = newest_first.into_iter().rev();
        oldest_first.map(|event| self.verified(event)).collect()
    }

    /// Those of one type.
    pub fn of(&self, kind: &str) -> Vec<Received> {
        let mut events = self.received();
        events.retain(|event| event.kind == kind);
        events
    }

    /// The events of one type, once there are so many.
    pub async fn receives(&self, kind: &str, count: usize) -> Vec<Received> {
        self.receives_within(SOON, kind, count).await
    }

    pub async fn receives_within(
        &self,
        patience: Duration,
        kind: &str,
        count: usize,
    ) -> Vec<Received> {
        eventually(patience, &format!("{count} events {kind}"), async || {
            let events = self.of(kind);
            if events.len() >= count {
                Ok(events)
            } else {
                let kinds: Vec<_> = self
                    .received()
                    .into_iter()
                    .map(|event| event.kind)
                    .collect();
                Err(kinds.join(", "))
            }
        })
        .await
    }

    fn verified(&self, event: Arc<Event>) -> Received {
        let headers: HeaderMap = event
            .headers
            .iter()
            .filter_map(|(name, value)| {
                Some((
                    name.parse::<HeaderName>().ok()?,
                    value.parse::<HeaderValue>().ok()?,
                ))
            })
            .collect();
        let verified = self.verifier.verify(event.body.as_bytes(), &headers);
        assert!(verified.is_ok(), "{verified:?} {event:?}");
        let body: Value = serde_json::from_str(&event.body).expect("JSON");
        Received {
            id: event.id.clone().expect("webhook-id"),
            kind: body["type"].as_str().expect("a type").to_owned(),
            data: body["data"].clone(),
            raw: event,
        }
    }
}
