//! Changes that were told before their message was.

use super::publish::DeliveryHint;
use super::{Gateway, Ports, each_once};
use crate::model::id::ChannelId;
use crate::model::time::Timestamp;
use crate::store::{DatabaseError, Rows, changes};
use serde::Deserialize;

/// A message that a change waits for.
pub(super) struct Late {
    channel: ChannelId,
    provider_message_id: String,
}

impl Late {
    /// Reads the messages of a channel.
    pub fn of(channel: ChannelId, rows: Rows) -> Result<Vec<Self>, DatabaseError> {
        #[derive(Deserialize)]
        struct Row {
            provider_message_id: String,
        }
        let rows: Vec<Row> = rows.read()?;
        let late = rows.into_iter().map(|row| Self {
            channel,
            provider_message_id: row.provider_message_id,
        });
        Ok(late.collect())
    }
}

impl<P: Ports> Gateway<P> {
    /// Applies what waits for messages, as far as they are known; gives back the deliveries.
    pub(super) async fn apply_changes(
        &self,
        late: &[Late],
        now: Timestamp,
    ) -> Result<Vec<DeliveryHint>, DatabaseError> {
        let channels: Vec<ChannelId> = each_once(late.iter().map(|late| late.channel));
        let mut batch = Vec::new();
        for channel in &channels {
            let of_channel = late.iter().filter(|late| late.channel == *channel);
            let ids: Vec<String> = of_channel
                .map(|late| late.provider_message_id.clone())
                .collect();
            batch.extend(changes::apply(*channel, &ids, now));
        }
        if batch.is_empty() {
            return Ok(vec![]);
        }
        let each = batch.len() / channels.len();
        let rows = self.batch(batch).await?.into_iter();
        let told = rows.skip(changes::TOLD).step_by(each);
        let mut deliveries = Vec::new();
        for rows in told {
            deliveries.extend(rows.read::<DeliveryHint>()?);
        }
        Ok(deliveries)
    }

    /// Applies what has waited for a while, as `changes::look_again` gives it.
    pub(super) async fn sweep_changes(
        &self,
        waited: Rows,
        now: Timestamp,
    ) -> Result<usize, DatabaseError> {
        #[derive(Deserialize)]
        struct Row {
            channel_id: ChannelId,
            provider_message_id: String,
        }
        let rows: Vec<Row> = waited.read()?;
        let late: Vec<Late> = rows
            .into_iter()
            .map(|row| Late {
                channel: row.channel_id,
                provider_message_id: row.provider_message_id,
            })
            .collect();
        let deliveries = self.apply_changes(&late, now).await?;
        self.push_deliveries(deliveries).await;
        Ok(late.len())
    }
}
