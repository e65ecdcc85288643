//! What a subscriber receives, checked as a subscriber should check it.

use std::sync::Arc;
use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderMap, HeaderName, HeaderValue};
use patchbay_sandbox::{Event, Sandbox};
use serde_json::Value;
use sha2::Sha256;
use standardwebhooks::Webhook;

use super::{SOON, eventually};

pub struct Subscriber {
    pub name: String,
    sandbox: Sandbox,
    verifier: Webhook,
    secret: String,
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
            secret: secret.to_owned(),
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

    /// The bodies of a style that signs in `header` as `t=<unix>,v1=<hex>`, once one of them
    /// `is_wanted`. Every one must be signed rightly, in both ways.
    pub async fn receives_styled(
        &self,
        header: &str,
        what: &str,
        is_wanted: impl Fn(&Value) -> bool,
    ) -> Value {
        eventually(SOON, &format!("{what} in its style"), async || {
            let mut bodies = Vec::new();
            for event in self.sandbox.events(&self.name, 0) {
                self.verify(&event);
                self.verify_styled(&event, header);
                bodies.push(serde_json::from_str::<Value>(&event.body).expect("JSON"));
            }
            let found = bodies.iter().find(|body| is_wanted(body)).cloned();
            found.ok_or_else(|| format!("{bodies:?}"))
        })
        .await
    }

    fn verify_styled(&self, event: &Event, header: &str) {
        let given = event
            .headers
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(header))
            .map(|(_, value)| value.as_str())
            .unwrap_or_else(|| panic!("no {header} in {event:?}"));
        let (at, signature) = given
            .strip_prefix("t=")
            .and_then(|rest| rest.split_once(",v1="))
            .expect("t=,v1=");
        let mut mac = Hmac::<Sha256>::new_from_slice(self.secret.as_bytes()).expect("a key");
        mac.update(format!("{at}.{}", event.body).as_bytes());
        assert_eq!(signature, hex::encode(mac.finalize().into_bytes()));
    }

    fn verify(&self, event: &Event) {
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
    }

    fn verified(&self, event: Arc<Event>) -> Received {
        self.verify(&event);
        let body: Value = serde_json::from_str(&event.body).expect("JSON");
        Received {
            id: event.id.clone().expect("webhook-id"),
            kind: body["type"].as_str().expect("a type").to_owned(),
            data: body["data"].clone(),
            raw: event,
        }
    }
}
