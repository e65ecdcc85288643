//! What became of an endpoint's deliveries, and how they are sent once more.

use super::publish::DeliveryHint;
use super::{Counted, Error, Gateway, Page, Ports, next};
use crate::model::access::Key;
use crate::model::id::{EndpointId, EventId, MessageId, WorkspaceId, lower_bound};
use crate::model::time::{self, Timestamp};
use crate::store::delivery_log as log;
use crate::store::{DatabaseError, Rows, Statement, endpoints};
use serde::{Deserialize, Serialize};
use serde_json::json;

/// One event for one endpoint; its id is the event's.
#[derive(Deserialize, Serialize)]
#[serde(rename_all(serialize = "camelCase"))]
pub struct Delivery {
    pub id: EventId,
    #[serde(rename(serialize = "webhookId"))]
    pub endpoint_id: EndpointId,
    #[serde(rename = "type")]
    pub kind: String,
    /// What the event is about.
    #[serde(skip_serializing)]
    pub subject: String,
    pub status: String,
    pub attempts: i64,
    #[serde(
        rename(serialize = "nextAttemptAt"),
        deserialize_with = "time::column::option::deserialize"
    )]
    pub due_at: Option<Timestamp>,
    pub response_status: Option<u16>,
    pub response: Option<String>,
    #[serde(deserialize_with = "time::column::deserialize")]
    pub created_at: Timestamp,
    #[serde(deserialize_with = "time::column::option::deserialize")]
    pub attempted_at: Option<Timestamp>,
    #[serde(deserialize_with = "time::column::option::deserialize")]
    pub ended_at: Option<Timestamp>,
    #[serde(skip_deserializing)]
    pub event_id: Option<EventId>,
}

impl Delivery {
    /// The message it tells of, if it does.
    #[must_use]
    pub fn message_id(&self) -> Option<MessageId> {
        let is_of_message = self.kind.starts_with("message.");
        MessageId::parse(&self.subject).filter(|_| is_of_message)
    }
}

/// Every status of a delivery.
pub const STATUSES: [&str; 5] = ["pending", "waiting", "delivered", "failed", "canceled"];

/// The most that is made due again in a request; the sweep goes on.
pub(super) const PORTION: i64 = 100;

/// Something to recover.
#[derive(Deserialize)]
struct Recovering {
    workspace_id: WorkspaceId,
    id: EndpointId,
}

impl<P: Ports> Gateway<P> {
    /// A page of an endpoint's deliveries, newest first.
    pub async fn list_deliveries(
        &self,
        key: &Key,
        endpoint: EndpointId,
        status: Option<&str>,
        before: &str,
        limit: i64,
    ) -> Result<Page<Delivery>, Error> {
        let workspace = key.workspace_id;
        let before = if before.is_empty() { "g" } else { before };
        let mut batch = vec![log::list(workspace, endpoint, status, before, limit + 1)];
        if status.is_some() {
            batch.push(log::scan_end(workspace, endpoint, before));
        }
        let mut rows = self.of_endpoint(key, endpoint, batch).await?;
        let found: Vec<Delivery> = shown(next(&mut rows))?;
        #[derive(Deserialize)]
        struct End {
            id: String,
        }
        let end: Option<End> = next(&mut rows).first()?;
        Ok(Page::of(found, limit, |delivery| delivery.id.to_string())
            .or_scan_end(end.map(|end| end.id)))
    }

    /// A numbered page of the deliveries that were attempted, newest first; of those that were
    /// or were not delivered, where that is asked.
    pub async fn count_deliveries(
        &self,
        key: &Key,
        endpoint: EndpointId,
        is_delivered: Option<bool>,
        offset: i64,
        limit: i64,
    ) -> Result<Counted<Delivery>, Error> {
        let statement = log::counted(key.workspace_id, endpoint, is_delivered, offset, limit);
        let mut rows = self.of_endpoint(key, endpoint, vec![statement]).await?;
        Ok(Counted::read(next(&mut rows))?)
    }

    /// Sends deliveries again, whatever became of them: under the same ids, and by a schedule
    /// of their own. Those that are under way or due stay so. Gives the ones there are.
    pub async fn resend(
        &self,
        key: &Key,
        endpoint: EndpointId,
        ids: &[EventId],
    ) -> Result<Vec<Delivery>, Error> {
        let workspace = key.workspace_id;
        let ids = json!(ids);
        let batch = vec![
            log::resend(workspace, endpoint, &ids, self.now()),
            log::get(workspace, endpoint, &ids),
        ];
        let mut rows = self.of_endpoint(key, endpoint, batch).await?;
        self.push_deliveries(next(&mut rows).read()?).await;
        Ok(shown(next(&mut rows))?)
    }

    /// Makes every delivery due that failed since a moment: some at once, of which it says how
    /// many; whether there may be more, which the sweep does.
    pub async fn recover(
        &self,
        key: &Key,
        endpoint: EndpointId,
        since: Timestamp,
    ) -> Result<(usize, bool), Error> {
        let workspace = key.workspace_id;
        let mut batch = vec![log::recover(workspace, endpoint, &lower_bound(since))];
        batch.extend(log::portion(workspace, endpoint, self.now(), PORTION));
        let mut rows = self.of_endpoint(key, endpoint, batch).await?.skip(1);
        let resent = self
            .after_portion(workspace, endpoint, &mut rows, PORTION)
            .await?;
        Ok((resent, resent as i64 == PORTION))
    }

    /// Goes on with what is to be recovered.
    pub(super) async fn recover_on(&self, found: Rows, portion: i64) -> Result<(), DatabaseError> {
        for row in found.read::<Recovering>()? {
            let batch = log::portion(row.workspace_id, row.id, self.now(), portion);
            let rows = self.batch(batch.to_vec()).await?.into_iter();
            self.after_portion(row.workspace_id, row.id, rows, portion)
                .await?;
        }
        Ok(())
    }

    /// Hints at a portion that was made due, and moves on behind it; says how many it was.
    pub(super) async fn after_portion(
        &self,
        workspace: WorkspaceId,
        endpoint: EndpointId,
        mut rows: impl Iterator<Item = Rows>,
        portion: i64,
    ) -> Result<usize, DatabaseError> {
        #[derive(Deserialize)]
        struct From {
            recover_after: Option<String>,
        }
        let made: Vec<DeliveryHint> = next(&mut rows).read()?;
        let from: Option<From> = next(&mut rows).first()?;
        let count = made.len();
        let last = made.iter().map(|hint| hint.event_id).max();
        let last = last.filter(|_| count as i64 == portion);
        self.push_deliveries(made).await;
        if let Some(from) = from.and_then(|from| from.recover_after) {
            let moved = log::recovered(workspace, endpoint, &from, last);
            self.batch(vec![moved]).await?;
        }
        Ok(count)
    }

    /// Reads of an endpoint, which must be the workspace's own.
    async fn of_endpoint(
        &self,
        key: &Key,
        endpoint: EndpointId,
        statements: Vec<Statement>,
    ) -> Result<std::vec::IntoIter<Rows>, Error> {
        let mut batch = vec![endpoints::get(key.workspace_id, endpoint)];
        batch.extend(statements);
        let mut rows = self.read(key, batch).await?;
        if next(&mut rows).0.is_empty() {
            return Err(Error::not_found("webhook"));
        }
        Ok(rows)
    }
}

fn shown(rows: Rows) -> Result<Vec<Delivery>, DatabaseError> {
    let mut found: Vec<Delivery> = rows.records()?;
    for delivery in &mut found {
        delivery.event_id = Some(delivery.id);
    }
    Ok(found)
}
