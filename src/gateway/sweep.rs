//! The safety net, run by cron: pushes again what the queue lost, settles what a
//! crash left behind, clears what is past its time. Bounded work each run.

use super::deliver::Hint;
use super::metrics::count_by;
use super::publish::DeliveryHint;
use super::settle::Parked;
use super::templates::claim_due_templates;
use super::{Gateway, Ports, next, search};
use crate::model::id::{WorkspaceId, lower_bound};
use crate::model::time::{DAY_MS, SECOND_MS, Timestamp};
use crate::store::{
    self, DatabaseError, Rows, changes, deliveries, delivery_log, erasure, events, media, outbox,
    schedule, sweep,
};
use serde::Deserialize;
use serde_json::json;

/// A push is lost when nothing came of it for this long.
const STALE_MS: i64 = 8 * SECOND_MS;
/// Most rows pushed again in one run.
const PUSHED: i64 = 500;
/// Endpoints that go on to recover what failed, or waited, in one run.
const RECOVERING: i64 = 5;
/// Most abandoned sends, and most parked reports, settled in one run.
const SETTLED: i64 = 100;
/// Most rows of each kind cleared in one run.
const PURGED: i64 = 500;
/// Most contacts put into the search index in one run.
const INDEXED: i64 = 250;
/// Most channels whose templates are read in one run: each is up to fifty requests.
const SYNCED: i64 = 5;
/// Most files copied in one run, beside those that are copied as they come.
const COPIED: i64 = 10;
/// Most files taken out of the bucket in one run.
const DISCARDED: i64 = 200;
/// Most contacts that erasing goes on with in one run.
const ERASED: i64 = 5;
/// Workspaces looked at for old events in one run.
const WORKSPACES: i64 = 5;

impl<P: Ports> Gateway<P> {
    /// One run. A part that fails leaves the others to do theirs.
    pub async fn sweep(&self) {
        let now = self.now();
        let settled = self.settle_abandoned(SETTLED).await;
        let parked = self.sweep_parked(now).await;
        let mut due = Rows::default();
        let pushed = self.push_due(now, &mut due).await;
        let purged = self.purge(now).await;
        let synced = self.sync_due_templates(due, now).await;
        let copied = self.copy_due(COPIED).await;
        let (messages, deliveries) = *pushed.as_ref().unwrap_or(&(0, 0));
        let found = [
            ("abandoned_sends", *settled.as_ref().unwrap_or(&0)),
            ("parked_reports", *parked.as_ref().unwrap_or(&0)),
            ("lost_pushes_of_messages", messages),
            ("lost_pushes_of_deliveries", deliveries),
        ];
        self.count(count_by("sweep_found", &found)).await;
        self.ports.log(
            "sweep.done",
            json!({
                "settled": settled.ok(), "parked": parked.ok(),
                "messages": pushed.as_ref().ok().map(|(messages, _)| messages),
                "deliveries": pushed.as_ref().ok().map(|(_, deliveries)| deliveries),
                "purged": purged.is_ok(), "synced": synced.ok(), "copied": copied.is_ok(),
            }),
        );
    }

    /// Reports and changes that came before their message was known.
    async fn sweep_parked(&self, now: Timestamp) -> Result<usize, DatabaseError> {
        let batch = vec![
            sweep::parked_but_known(SETTLED),
            changes::look_again(now, SETTLED),
        ];
        let mut rows = self.batch(batch).await?.into_iter();
        let parked: Vec<Parked> = next(&mut rows).read()?;
        self.apply_parked(&parked, now).await?;
        let changed = self.sweep_changes(next(&mut rows), now).await?;
        Ok(parked.len() + changed)
    }

    /// Stamped, so that one run does not push what the last one did. The channels whose
    /// templates are due ride with it, into `due`.
    async fn push_due(
        &self,
        now: Timestamp,
        due: &mut Rows,
    ) -> Result<(usize, usize), DatabaseError> {
        let stale_before = now.plus_ms(-STALE_MS);
        // Somewhere within the last day: over several runs, everywhere.
        let [share] = self.random();
        let from = now.plus_ms(-DAY_MS * i64::from(share) / 255);
        // The same of conversations, within those of a year.
        let somewhere = lower_bound(now.plus_ms(-365 * DAY_MS * i64::from(share) / 255));
        let mut batch = vec![
            outbox::push_again(now, stale_before, &somewhere, PUSHED),
            deliveries::push_again(now, stale_before, from, PUSHED),
            delivery_log::recovering(RECOVERING),
            schedule::push_due(now, stale_before, PUSHED),
        ];
        batch.extend(claim_due_templates(now, SYNCED));
        let mut rows = self.batch(batch).await?;
        *due = rows.pop().unwrap_or_default();
        let mut rows = rows.into_iter();
        let messages: Vec<Hint> = next(&mut rows).read()?;
        let found: Vec<DeliveryHint> = next(&mut rows).read()?;
        let recovering = next(&mut rows);
        self.push_schedules(next(&mut rows)).await?;
        let counts = (messages.len(), found.len());
        self.push_sends(messages).await;
        self.push_deliveries(found).await;
        self.recover_on(recovering, PUSHED).await?;
        Ok(counts)
    }

    async fn purge(&self, now: Timestamp) -> Result<(), DatabaseError> {
        #[derive(Deserialize)]
        struct Row {
            id: WorkspaceId,
        }
        let retained_since = now.plus_ms(-self.config.retention_days * DAY_MS);
        let before = lower_bound(retained_since);
        // A moment between the first workspace there can be and now: over time, all.
        let share = f64::from(u32::from_be_bytes(self.random())) / f64::from(u32::MAX);
        let start = lower_bound(Timestamp::from_ms((now.ms() as f64 * share) as i64));
        let rows = self
            .batch(vec![
                sweep::purge_idempotency(now, PURGED),
                sweep::purge_parked(retained_since, PURGED),
                media::purge_uploads(now, PURGED),
                changes::purge(retained_since, PURGED),
                sweep::workspaces(&start, WORKSPACES),
                sweep::deleted_workspace(),
                store::search::unindexed(INDEXED),
                erasure::unfinished(ERASED),
            ])
            .await?;
        let mut rows = rows.into_iter().skip(4);
        let found: Vec<Row> = rows.next().unwrap_or_default().read()?;
        let deleted: Option<Row> = rows.next().unwrap_or_default().first()?;
        let unindexed = rows.next().unwrap_or_default();
        self.erase_on(next(&mut rows)).await?;
        let mut statements: Vec<_> = found
            .iter()
            .flat_map(|row| events::purge(row.id, &before, PURGED))
            .collect();
        statements.extend(search::index(unindexed)?);
        let deleted_id = deleted.as_ref().map(|row| row.id);
        if let Some(row) = deleted {
            statements.extend(sweep::purge_workspace(row.id, now, PURGED));
        }
        if !statements.is_empty() {
            self.batch(statements).await?;
        }
        if self.ports.has_bucket() {
            let outlived = media::outlived(retained_since, DISCARDED);
            let held = deleted_id.map(|id| media::held(id, DISCARDED));
            for statement in [Some(outlived), held].into_iter().flatten() {
                // What the bucket does not give up now, it will in a later run.
                let _ = self.discard_media(statement).await;
            }
        }
        Ok(())
    }
}
