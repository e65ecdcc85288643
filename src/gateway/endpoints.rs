//! Subscribers: who is told, and under which secret.

use super::delivery_log::PORTION;
use super::endpoint_check::{check_events, check_headers};
use super::{Counted, Error, Gateway, Page, Ports, next};
use crate::model::access::Key;
use crate::model::event::Style;
use crate::model::id::{ChannelId, EndpointId, WorkspaceId};
use crate::model::json;
use crate::model::time::{self, Timestamp};
use crate::store::delivery_log;
use crate::store::endpoints::{self, Change, NewEndpoint};
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
    pub label: Option<String>,
    pub scope: Option<String>,
    /// Whether the URL is asked to give a token back.
    pub is_validated: bool,
}

impl NewSubscriber {
    #[must_use]
    pub fn new(url: String, events: Vec<String>, style: Style) -> Self {
        Self {
            url,
            events,
            channel_id: None,
            style,
            requires_signature: true,
            headers: BTreeMap::new(),
            label: None,
            scope: None,
            is_validated: false,
        }
    }
}

/// What is to change of an endpoint.
#[derive(Default)]
pub struct EndpointPatch {
    pub url: Option<String>,
    pub events: Option<Vec<String>>,
    /// `Some(None)`: all channels.
    pub channel_id: Option<Option<ChannelId>>,
    pub style: Option<Style>,
    pub headers: Option<BTreeMap<String, String>>,
    /// Enabled, or paused.
    pub is_enabled: Option<bool>,
    pub requires_signature: Option<bool>,
    pub label: Option<String>,
    pub scope: Option<String>,
    /// Whether a new URL is asked to give a token back.
    pub is_validated: bool,
}

/// An endpoint as stored.
#[derive(Deserialize)]
struct EndpointRecord {
    id: EndpointId,
    url: String,
    events: Vec<String>,
    channel_id: Option<ChannelId>,
    style: Style,
    headers: String,
    status: String,
    health: Health,
    /// 0 or 1.
    requires_signature: i64,
    label: Option<String>,
    scope: Option<String>,
    #[serde(deserialize_with = "time::column::option::deserialize")]
    verified_at: Option<Timestamp>,
    #[serde(deserialize_with = "time::column::deserialize")]
    created_at: Timestamp,
    #[serde(deserialize_with = "time::column::deserialize")]
    updated_at: Timestamp,
}

#[derive(Deserialize)]
struct Health {
    #[serde(deserialize_with = "time::column::option::deserialize")]
    failing_since: Option<Timestamp>,
    failures: i64,
    #[serde(deserialize_with = "time::column::option::deserialize")]
    disabled_at: Option<Timestamp>,
    disabled_reason: Option<String>,
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
    /// Since when it has failed and never succeeded.
    pub failing_since: Option<Timestamp>,
    pub disabled_at: Option<Timestamp>,
    pub disabled_reason: Option<String>,
    /// Shown once, when it is made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
    pub created_at: Timestamp,
    // What one of the other surfaces shows.
    #[serde(skip)]
    pub requires_signature: bool,
    #[serde(skip)]
    pub failures: i64,
    #[serde(skip)]
    pub label: Option<String>,
    #[serde(skip)]
    pub scope: Option<String>,
    #[serde(skip)]
    pub verified_at: Option<Timestamp>,
    #[serde(skip)]
    pub updated_at: Timestamp,
}

/// Where a column of an endpoint stands, to which its ciphertext is bound.
pub(super) fn place(workspace: WorkspaceId, id: EndpointId, column: &str) -> String {
    format!("endpoint|{workspace}|{id}|{column}")
}

impl<P: Ports> Gateway<P> {
    pub async fn subscribe(&self, key: &Key, new: NewSubscriber) -> Result<Endpoint, Error> {
        let now = self.now();
        let workspace = key.workspace_id;
        let url = self
            .check_subscriber_url(&new.url)
            .map_err(|detail| Error::invalid("/url", detail))?;
        check_headers(&new.headers)?;
        let is_verified = new.is_validated && self.validates(&url, &new.headers).await;
        let id: EndpointId = self.fresh(now);
        let secret = fresh_secret(&self.random());
        let endpoint = NewEndpoint {
            id,
            workspace_id: workspace,
            channel_id: new.channel_id,
            url: &url,
            events: &new.events,
            style: new.style,
            environment: key.environment,
            requires_signature: new.requires_signature,
            headers: &self.seal_headers(workspace, id, &new.headers)?,
            secret: &self.seal(workspace, id, "secret", &secret)?,
            label: new.label.as_deref(),
            scope: new.scope.as_deref(),
            verified_at: is_verified.then_some(now),
        };
        let rows = self.batch(vec![endpoints::create(&endpoint, now)]).await?;
        let stored: Vec<EndpointRecord> = next(&mut rows.into_iter()).records()?;
        let record = stored.into_iter().next().ok_or_else(no_channel)?;
        Ok(Endpoint {
            secret: Some(secret),
            ..self.show_endpoint(workspace, record)
        })
    }

    /// Changes an endpoint. One that is enabled anew is sent what waited for it.
    pub async fn patch_endpoint(
        &self,
        key: &Key,
        id: EndpointId,
        patch: EndpointPatch,
    ) -> Result<Endpoint, Error> {
        let now = self.now();
        let workspace = key.workspace_id;
        let known = self.endpoint_record(key, id).await?;
        let url = patch
            .url
            .as_deref()
            .map(|url| self.check_subscriber_url(url))
            .transpose()
            .map_err(|detail| Error::invalid("/url", detail))?;
        let url = url.filter(|url| *url != known.url);
        if patch.events.is_some() || patch.style.is_some() {
            let events = patch.events.as_ref().unwrap_or(&known.events);
            check_events(patch.style.unwrap_or(known.style), events)?;
        }
        let headers = match &patch.headers {
            None => None,
            Some(headers) => {
                check_headers(headers)?;
                Some(self.seal_headers(workspace, id, headers)?)
            }
        };
        let mut verified_at = None;
        if let Some(url) = url.as_deref().filter(|_| patch.is_validated) {
            let kept = self.open_headers(workspace, id, &known.headers);
            let headers = patch.headers.clone().or(kept).unwrap_or_default();
            verified_at = self.validates(url, &headers).await.then_some(now);
        }
        let change = Change {
            url: url.as_deref(),
            events: patch.events.as_deref(),
            channel_id: patch.channel_id,
            style: patch.style,
            headers: headers.as_deref(),
            is_enabled: patch.is_enabled,
            requires_signature: patch.requires_signature,
            label: patch.label.as_deref(),
            scope: patch.scope.as_deref(),
            verified_at,
        };
        let mut batch = vec![endpoints::update(workspace, id, &change, now)];
        batch.extend(delivery_log::portion(workspace, id, now, PORTION));
        let mut rows = self.batch(batch).await?.into_iter();
        let stored: Vec<EndpointRecord> = next(&mut rows).records()?;
        self.after_portion(workspace, id, rows, PORTION).await?;
        let record = stored.into_iter().next().ok_or_else(no_channel)?;
        Ok(self.show_endpoint(workspace, record))
    }

    /// Gives an endpoint a new secret; the old one signs too for a day.
    pub async fn rotate_secret(&self, key: &Key, id: EndpointId) -> Result<Endpoint, Error> {
        let workspace = key.workspace_id;
        let secret = fresh_secret(&self.random());
        let sealed = self.seal(workspace, id, "secret", &secret)?;
        let statement = endpoints::rotate(workspace, id, &sealed, self.now());
        let rows = self.batch(vec![statement]).await?;
        let stored: Vec<EndpointRecord> = next(&mut rows.into_iter()).records()?;
        let record = stored.into_iter().next();
        let record = record.ok_or(Error::not_found("webhook"))?;
        Ok(Endpoint {
            secret: Some(secret),
            ..self.show_endpoint(workspace, record)
        })
    }

    async fn endpoint_record(&self, key: &Key, id: EndpointId) -> Result<EndpointRecord, Error> {
        let statement = endpoints::get(key.workspace_id, id);
        let mut rows = self.read(key, vec![statement]).await?;
        let found: Vec<EndpointRecord> = next(&mut rows).records()?;
        found.into_iter().next().ok_or(Error::not_found("webhook"))
    }

    pub async fn endpoint(&self, key: &Key, id: EndpointId) -> Result<Endpoint, Error> {
        let record = self.endpoint_record(key, id).await?;
        Ok(self.show_endpoint(key.workspace_id, record))
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
        Ok(Page::of(found, limit, |record| record.id.to_string())
            .map(|record| self.show_endpoint(key.workspace_id, record)))
    }

    /// A numbered page of the endpoints of a style.
    pub async fn count_endpoints(
        &self,
        key: &Key,
        style: Style,
        offset: i64,
        limit: i64,
    ) -> Result<Counted<Endpoint>, Error> {
        let statement = endpoints::counted(key.workspace_id, style, offset, limit);
        let mut rows = self.read(key, vec![statement]).await?;
        let counted: Counted<EndpointRecord> = Counted::read(next(&mut rows))?;
        let shown = counted.items.into_iter();
        Ok(Counted {
            items: shown
                .map(|record| self.show_endpoint(key.workspace_id, record))
                .collect(),
            total: counted.total,
        })
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

    fn show_endpoint(&self, workspace: WorkspaceId, record: EndpointRecord) -> Endpoint {
        let headers = self.open_headers(workspace, record.id, &record.headers);
        Endpoint {
            id: record.id,
            url: record.url,
            events: record.events,
            channel_id: record.channel_id,
            style: record.style,
            header_names: headers.unwrap_or_default().into_keys().collect(),
            status: record.status,
            failing_since: record.health.failing_since,
            disabled_at: record.health.disabled_at,
            disabled_reason: record.health.disabled_reason,
            secret: None,
            created_at: record.created_at,
            requires_signature: record.requires_signature != 0,
            failures: record.health.failures,
            label: record.label,
            scope: record.scope,
            verified_at: record.verified_at,
            updated_at: record.updated_at,
        }
    }

    fn seal(
        &self,
        workspace: WorkspaceId,
        id: EndpointId,
        column: &str,
        plain: &str,
    ) -> Result<String, Error> {
        let sealed = self
            .config
            .vault
            .seal(plain, &place(workspace, id, column), self.random());
        sealed.ok_or(Error::Internal)
    }

    fn seal_headers(
        &self,
        workspace: WorkspaceId,
        id: EndpointId,
        headers: &BTreeMap<String, String>,
    ) -> Result<String, Error> {
        if headers.is_empty() {
            return Ok("{}".to_owned());
        }
        self.seal(
            workspace,
            id,
            "headers",
            &serde_json::json!(headers).to_string(),
        )
    }

    /// An endpoint's own headers. What is JSON was stored before they were encrypted.
    pub(super) fn open_headers(
        &self,
        workspace: WorkspaceId,
        id: EndpointId,
        stored: &str,
    ) -> Option<BTreeMap<String, String>> {
        if stored.starts_with('{') {
            return json::parse(stored).ok();
        }
        let place = place(workspace, id, "headers");
        json::parse(&self.config.vault.open(stored, &place)?).ok()
    }
}

fn no_channel() -> Error {
    Error::NotFound {
        what: "channel",
        pointer: Some("/channelId".to_owned()),
    }
}
