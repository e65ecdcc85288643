//! Subscribers: who is told, and under which secret.

use super::guard::check_url;
use super::{Error, Gateway, Page, Ports, next};
use crate::model::access::Key;
use crate::model::event::Style;
use crate::model::id::{ChannelId, EndpointId, WorkspaceId};
use crate::model::time::{self, Timestamp};
use crate::store::endpoints::{self, NewEndpoint};
use crate::webhook::fresh_secret;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

pub struct NewSubscriber {
    pub url: String,
    pub events: Vec<String>,
    pub channel_id: Option<ChannelId>,
    pub style: Style,
    /// Whether a style that signs on request signs. Standard Webhooks' signature goes
    /// with every delivery.
    pub requires_signature: bool,
    pub headers: BTreeMap<String, String>,
}

/// An endpoint as stored.
#[derive(Deserialize)]
struct EndpointRecord {
    id: EndpointId,
    url: String,
    events: Vec<String>,
    channel_id: Option<ChannelId>,
    style: Style,
    headers: BTreeMap<String, String>,
    status: String,
    #[serde(deserialize_with = "time::column::deserialize")]
    created_at: Timestamp,
}

/// An endpoint as shown. Values of custom headers may be secrets and stay out.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Endpoint {
    pub id: EndpointId,
    pub url: String,
    pub events: Vec<String>,
    pub channel_id: Option<ChannelId>,
    pub style: Style,
    pub header_names: Vec<String>,
    pub status: String,
    /// Shown once, when it is made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
    pub created_at: Timestamp,
}

impl From<EndpointRecord> for Endpoint {
    fn from(record: EndpointRecord) -> Self {
        Self {
            id: record.id,
            url: record.url,
            events: record.events,
            channel_id: record.channel_id,
            style: record.style,
            header_names: record.headers.into_keys().collect(),
            status: record.status,
            secret: None,
            created_at: record.created_at,
        }
    }
}

fn place(workspace: WorkspaceId, id: EndpointId) -> String {
    format!("endpoint|{workspace}|{id}|secret")
}

impl<P: Ports> Gateway<P> {
    pub async fn subscribe(&self, key: &Key, new: NewSubscriber) -> Result<Endpoint, Error> {
        let now = self.now();
        let url = check_url(
            &new.url,
            &self.config.public_url,
            self.config.allow_insecure_webhooks,
        )
        .map_err(|detail| Error::invalid("/url", detail))?;
        check_headers(&new.headers)?;
        let id: EndpointId = self.fresh(now);
        let secret = fresh_secret(&self.random());
        let sealed = self
            .config
            .vault
            .seal(&secret, &place(key.workspace_id, id), self.random())
            .ok_or(Error::Internal)?;
        let endpoint = NewEndpoint {
            id,
            workspace_id: key.workspace_id,
            channel_id: new.channel_id,
            url: &url,
            events: &new.events,
            style: new.style,
            environment: key.environment,
            requires_signature: new.requires_signature,
            headers: serde_json::json!(new.headers),
            secret: &sealed,
        };
        let rows = self.batch(vec![endpoints::create(&endpoint, now)]).await?;
        let stored: Vec<EndpointRecord> = next(&mut rows.into_iter()).records()?;
        let record = stored.into_iter().next().ok_or(Error::NotFound {
            what: "channel",
            pointer: Some("/channelId".to_owned()),
        })?;
        Ok(Endpoint {
            secret: Some(secret),
            ..Endpoint::from(record)
        })
    }

    pub async fn endpoint(&self, key: &Key, id: EndpointId) -> Result<Endpoint, Error> {
        let statement = endpoints::get(key.workspace_id, id);
        let mut rows = self.read(key, vec![statement]).await?;
        let found: Vec<EndpointRecord> = next(&mut rows).records()?;
        let record = found
            .into_iter()
            .next()
            .ok_or(Error::not_found("webhook"))?;
        Ok(record.into())
    }

    /// A page of the endpoints, of one style if it is given.
    pub async fn list_endpoints(
        &self,
        key: &Key,
        style: Option<Style>,
        after: &str,
        limit: i64,
    ) -> Result<Page<Endpoint>, Error> {
        let statement = endpoints::list(key.workspace_id, style, after, limit + 1);
        let mut rows = self.read(key, vec![statement]).await?;
        let found: Vec<EndpointRecord> = next(&mut rows).records()?;
        Ok(Page::of(found, limit, |record| record.id.to_string()).map(Endpoint::from))
    }

    /// Deletes an endpoint; where a style is given, one of another is not found.
    pub async fn unsubscribe(
        &self,
        key: &Key,
        id: EndpointId,
        style: Option<Style>,
    ) -> Result<(), Error> {
        let statement = endpoints::delete(key.workspace_id, id, style, self.now());
        let rows = self.batch(vec![statement]).await?;
        if next(&mut rows.into_iter()).0.is_empty() {
            return Err(Error::not_found("webhook"));
        }
        Ok(())
    }

    /// A subscriber's signing secret, opened.
    pub(super) fn open_secret(
        &self,
        workspace: WorkspaceId,
        id: EndpointId,
        sealed: &str,
    ) -> Option<String> {
        self.config.vault.open(sealed, &place(workspace, id))
    }
}

/// Headers that belong to the request itself or to its signature.
const OWN_HEADERS: [&str; 17] = [
    "host",
    "content-type",
    "content-length",
    "content-encoding",
    "transfer-encoding",
    "connection",
    "upgrade",
    "te",
    "trailer",
    "webhook-id",
    "webhook-timestamp",
    "webhook-signature",
    "x-visito-signature",
    "x-hub-signature",
    "cloove-signature",
    "cloove-webhook-id",
    "cloove-webhook-event",
];

fn check_headers(headers: &BTreeMap<String, String>) -> Result<(), Error> {
    if headers.len() > 20 {
        return Err(Error::invalid("/headers", "must be at most 20"));
    }
    for (name, value) in headers {
        let pointer = format!("/headers/{}", name.replace('~', "~0").replace('/', "~1"));
        if http::HeaderName::from_bytes(name.as_bytes()).is_err()
            || OWN_HEADERS.contains(&name.to_ascii_lowercase().as_str())
        {
            return Err(Error::invalid(pointer, "is not a header that can be set"));
        }
        if http::HeaderValue::from_str(value).is_err() || value.len() > 1_024 {
            return Err(Error::invalid(
                pointer,
                "must be at most 1024 printable characters",
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_that_would_break_the_request_are_refused() {
        let one = |name: &str, value: &str| {
            check_headers(&BTreeMap::from([(name.to_owned(), value.to_owned())]))
        };
        assert!(one("x-shop", "42").is_ok());
        assert!(one("Host", "evil.example").is_err());
        assert!(one("webhook-signature", "v1,x").is_err());
        assert!(one("bad name", "x").is_err());
        assert!(one("x-shop", "a\r\nb: c").is_err());
    }
}
