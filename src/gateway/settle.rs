//! What a crash or a race left open: sends whose worker died, and reports that came
//! before their message was known.

use super::deliver::{Done, Hint, read_jobs};
use super::outcome::{Attempted, no_answer};
use super::{Gateway, Ports, each_once};
use crate::model::id::{ChannelId, EventId, WorkspaceId};
use crate::model::message::DeliveryStatus;
use crate::model::time::Timestamp;
use crate::store::inbound::{self, Receiver, Report};
use crate::store::{DatabaseError, outbox};
use serde::Deserialize;

/// A parked report's columns.
#[derive(Deserialize)]
pub(super) struct Parked {
    pub workspace_id: WorkspaceId,
    pub channel_id: ChannelId,
    pub provider_message_id: String,
    pub status: DeliveryStatus,
    pub at: i64,
    pub error_code: Option<String>,
    pub error_message: Option<String>,
    pub error_provider_code: Option<String>,
    pub pricing: Option<String>,
}

impl<P: Ports> Gateway<P> {
    /// Settles messages whose sender died: nobody knows whether they were sent.
    pub(super) async fn settle_abandoned(&self, limit: i64) -> Result<usize, DatabaseError> {
        let rows = self
            .batch(vec![outbox::abandoned(self.now(), limit)])
            .await?;
        let jobs = read_jobs(rows.into_iter().next().unwrap_or_default())?;
        let count = jobs.len();
        if count == 0 {
            return Ok(0);
        }
        let heads = jobs.iter().map(|job| Hint::Conversation {
            conversation: job.conversation_id,
        });
        let heads: Vec<Hint> = heads.collect();
        let done: Vec<Done> = jobs
            .into_iter()
            .map(|job| Done {
                started_at: self.now(),
                attempted: Attempted::Refused(no_answer()),
                job,
            })
            .collect();
        self.record(&done, None).await?;
        self.push_sends(heads).await;
        Ok(count)
    }

    /// Applies reports that came before the provider's answer did, a channel at a
    /// time.
    pub(super) async fn apply_parked(
        &self,
        parked: &[Parked],
        now: Timestamp,
    ) -> Result<(), DatabaseError> {
        let channels = parked
            .iter()
            .map(|report| (report.workspace_id, report.channel_id));
        for (workspace, channel) in each_once(channels) {
            let receiver = Receiver {
                workspace_id: workspace,
                channel_id: channel,
                version: None,
            };
            let reports: Vec<Report> = parked
                .iter()
                .filter(|report| report.channel_id == channel)
                .map(|report| Report {
                    provider_message_id: report.provider_message_id.clone(),
                    message: None,
                    status: report.status,
                    at: report.at,
                    code: report.error_code.clone(),
                    detail: report.error_message.clone(),
                    provider_code: report.error_provider_code.clone(),
                    pricing: report.pricing.clone(),
                    event: self.fresh::<EventId>(now).to_string(),
                })
                .collect();
            let mut batch = inbound::reports(receiver, &reports, &self.token(), now);
            let told = batch.len() - 1;
            batch.push(inbound::unpark(channel, &reports));
            let rows = self.batch(batch).await?.into_iter().nth(told);
            self.push_deliveries(rows.unwrap_or_default().read()?).await;
        }
        Ok(())
    }
}
