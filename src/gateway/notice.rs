//! What providers tell of accounts and of who answers whom.

use super::deliver::Hint;
use super::{Error, Gateway, Ports};
use crate::channel::{Handover, Notice};
use crate::model::channel::match_key;
use crate::model::id::{ChannelId, EventId, WorkspaceId};
use crate::model::json;
use crate::model::time::Timestamp;
use crate::store::inbound::Receiver;
use crate::store::notices::Noticed;
use crate::store::{Rows, Statement, channels, events, outbox};
use serde::Deserialize;
use serde_json::{Value as Json, json};
use sha2::{Digest, Sha256};

impl<P: Ports> Gateway<P> {
    /// A notice as it is stored; it is named in the log.
    pub(super) fn notice(&self, receiver: Receiver, notice: Notice, now: Timestamp) -> Noticed {
        self.ports.log(
            "channel.notice",
            json!({ "channel": receiver.channel_id, "name": notice.name, "code": notice.code }),
        );
        let told = json!({ "name": notice.name, "value": notice.value });
        Noticed {
            key: key_of(&json!([told, notice.account, notice.at.map(Timestamp::ms)])),
            account: notice.account,
            number: notice.number.as_deref().map(match_key),
            effect: notice.effect.name(),
            code: notice.code,
            at: notice.at.map_or(now, |at| at.min(now)).ms(),
            is_timed: notice.at.is_some(),
            told: told.to_string(),
            event: self.fresh::<EventId>(now).to_string(),
        }
    }

    /// A handover as it is stored.
    pub(super) fn handover(&self, handover: &Handover, now: Timestamp) -> Json {
        let fields = [
            ("kind", Some(handover.kind)),
            ("fromApp", handover.from_app.as_deref()),
            ("toApp", handover.to_app.as_deref()),
            ("metadata", handover.metadata.as_deref()),
        ];
        let told = fields.into_iter();
        let told = told.filter_map(|(name, value)| Some((name.to_owned(), Json::from(value?))));
        let told = Json::Object(json::object(told));
        json!({
            "address": handover.person.address.0,
            "key": key_of(&json!([told, handover.at.map(Timestamp::ms)])),
            "event": self.fresh::<EventId>(now),
            "handover": told.to_string(),
        })
    }

    /// Forgets the channels that notices moved; gives back those that may send again.
    pub(super) async fn noticed(&self, moved: Rows) -> Result<Vec<ChannelId>, Error> {
        #[derive(Deserialize)]
        struct Moved {
            id: ChannelId,
            /// 0 or 1.
            is_restored: i64,
        }
        let moved: Vec<Moved> = moved.read()?;
        for channel in &moved {
            self.forget_channel(channel.id).await;
        }
        let restored = moved.into_iter().filter(|channel| channel.is_restored != 0);
        Ok(restored.map(|channel| channel.id).collect())
    }

    /// Lets messages go that waited for their channels. What a crash leaves waiting is tried
    /// again by itself.
    pub(super) async fn wake_channels(
        &self,
        channels: &[ChannelId],
        now: Timestamp,
    ) -> Result<(), Error> {
        if channels.is_empty() {
            return Ok(());
        }
        let batch = channels.iter().map(|id| outbox::wake(*id, now)).collect();
        let mut woken = Vec::new();
        for rows in self.batch(batch).await? {
            woken.extend(rows.read::<Hint>()?);
        }
        self.push_sends(woken).await;
        Ok(())
    }

    /// Records that a provider refuses a channel's token, and tells of it; the last statement
    /// gives back deliveries.
    pub(super) fn refused_token(
        &self,
        workspace: WorkspaceId,
        channel: (ChannelId, i64),
        code: &str,
        now: Timestamp,
    ) -> [Statement; 3] {
        let (id, version) = channel;
        let [told, fanned] = events::channel_updated(workspace, id, self.fresh(now), now);
        let noted = channels::needs_reauth(id, version, Some(code), now);
        [noted, told, fanned]
    }
}

/// What tells a thing from all others that are not the same.
fn key_of(said: &Json) -> String {
    let digest = hex::encode(Sha256::digest(said.to_string().as_bytes()));
    digest.chars().take(32).collect()
}
