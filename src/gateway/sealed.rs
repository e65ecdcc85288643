//! Channels as they are stored, their credentials sealed: found by their ids, opened for use, and
//! remembered.

use super::keys::unfold;
use super::{Error, Gateway, Ports, next};
use crate::model::access::Key;
use crate::model::channel::{Channel, ChannelKind, ChannelStatus, Credentials, Settings};
use crate::model::id::{ChannelId, WorkspaceId};
use crate::model::json;
use crate::model::time::Timestamp;
use crate::store::Rows;
use crate::store::channels;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::rc::Rc;

/// A channel as stored for use. Also its form in the cache: still sealed.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Sealed {
    pub id: ChannelId,
    pub workspace_id: WorkspaceId,
    #[serde(rename = "type")]
    pub kind: ChannelKind,
    pub identifier: String,
    pub status: ChannelStatus,
    pub settings: Settings,
    pub credentials: Option<String>,
    pub version: i64,
}

/// The place credentials are bound to.
fn place(workspace: WorkspaceId, id: ChannelId) -> String {
    format!("channel|{workspace}|{id}|credentials")
}

impl<P: Ports> Gateway<P> {
    pub(super) fn seal_credentials(
        &self,
        workspace: WorkspaceId,
        id: ChannelId,
        credentials: &Credentials,
    ) -> Result<String, Error> {
        let plain = serde_json::to_string(credentials).map_err(|_| Error::Internal)?;
        self.config
            .vault
            .seal(&plain, &place(workspace, id), self.random())
            .ok_or(Error::Internal)
    }

    /// Opens a stored channel. Credentials that do not open are empty: nothing
    /// verifies or sends with them.
    pub(super) fn open_channel(&self, sealed: Sealed) -> Rc<Channel> {
        let opened = sealed
            .credentials
            .as_deref()
            .and_then(|text| {
                let place = place(sealed.workspace_id, sealed.id);
                self.config.vault.open(text, &place)
            })
            .and_then(|plain| json::parse(&plain).ok());
        if opened.is_none() {
            self.ports.log(
                "channel.sealed",
                serde_json::json!({ "channel": sealed.id }),
            );
        }
        Rc::new(Channel {
            id: sealed.id,
            workspace_id: sealed.workspace_id,
            kind: sealed.kind,
            identifier: sealed.identifier,
            settings: sealed.settings,
            credentials: opened.unwrap_or_default(),
            version: sealed.version,
        })
    }

    /// Opens a stored channel and remembers it.
    pub(super) fn remember_channel(&self, sealed: Sealed, now: Timestamp) -> Rc<Channel> {
        let channel = self.open_channel(sealed);
        self.memory.keep_channel(channel.clone(), now);
        channel
    }

    /// Reads the answer of a query for sealed channels.
    pub(super) fn read_sealed(&self, rows: Rows) -> Result<Vec<Sealed>, Error> {
        let mut rows = rows;
        for row in &mut rows.0 {
            unfold(row, "settings");
        }
        Ok(rows.read()?)
    }

    /// A channel for a provider's webhook: remembered, cached, or read; and whether it was
    /// read now.
    pub(super) async fn find_channel(
        &self,
        id: ChannelId,
        now: Timestamp,
    ) -> Result<Option<(Rc<Channel>, bool)>, Error> {
        if let Some(channel) = self.memory.channel(id, now) {
            return Ok(Some((channel, false)));
        }
        let cached = self.ports.cached(&format!("channel:{id}")).await;
        let cached = cached.and_then(|json| json::parse::<Sealed>(&json).ok());
        if let Some(sealed) = cached {
            return Ok(Some((self.remember_channel(sealed, now), false)));
        }
        let Some(sealed) = self.read_channel(id).await? else {
            return Ok(None);
        };
        if let Ok(json) = serde_json::to_string(&sealed) {
            self.ports.cache(&format!("channel:{id}"), json).await;
        }
        Ok(Some((self.remember_channel(sealed, now), true)))
    }

    /// A channel as the database has it. Not cached: anyone may cause this by posting
    /// without a signature.
    pub(super) async fn find_channel_now(
        &self,
        id: ChannelId,
        now: Timestamp,
    ) -> Result<Option<Rc<Channel>>, Error> {
        let Some(sealed) = self.read_channel(id).await? else {
            self.forget_channel(id).await;
            return Ok(None);
        };
        Ok(Some(self.remember_channel(sealed, now)))
    }

    /// A channel of the key's own workspace, as the database has it.
    pub(super) async fn own_channel(&self, key: &Key, id: ChannelId) -> Result<Sealed, Error> {
        let rows = self.batch(vec![channels::sealed(id)]).await?;
        let found = self.read_sealed(next(&mut rows.into_iter()))?;
        found
            .into_iter()
            .find(|sealed| sealed.workspace_id == key.workspace_id)
            .ok_or(Error::not_found("channel"))
    }

    /// Reads a channel and remembers what other channels of its workspace the provider
    /// may post for to the same URL.
    async fn read_channel(&self, id: ChannelId) -> Result<Option<Sealed>, Error> {
        let batch = vec![channels::sealed(id), channels::sealed_siblings(id)];
        let mut rows = self.batch(batch).await?.into_iter();
        let found = self.read_sealed(next(&mut rows))?;
        let siblings = next(&mut rows);
        if let Some(own) = found.first() {
            let are_all = siblings.0.len() < channels::MOST_SIBLINGS;
            self.memory
                .keep_whether_all(own.workspace_id, are_all, self.now());
        }
        let mut living = self.learn_siblings(siblings)?;
        if let Some(own) = found.first() {
            living.push(own.id);
            self.memory.forget_other_accounts(own.workspace_id, &living);
        }
        Ok(found.into_iter().next())
    }

    /// Reads which channels have these accounts, where there are too many to be read with
    /// the channel that was posted to. Says whether some are there.
    pub(super) async fn find_siblings(
        &self,
        channel: &Channel,
        accounts: &[&str],
    ) -> Result<bool, Error> {
        if self.memory.has_all(channel.workspace_id, self.now()) {
            return Ok(false);
        }
        let statement = channels::sealed_siblings_of(channel.id, accounts);
        let rows = self.batch(vec![statement]).await?;
        let found = self.learn_siblings(next(&mut rows.into_iter()))?;
        Ok(!found.is_empty())
    }

    /// Remembers siblings and whose accounts they have; gives back which they are.
    fn learn_siblings(&self, siblings: Rows) -> Result<Vec<ChannelId>, Error> {
        #[derive(Deserialize)]
        struct Sibling {
            account: String,
        }
        let now = self.now();
        let accounts: Vec<Sibling> = siblings.clone().read()?;
        let siblings = self.read_sealed(siblings)?;
        let ids = siblings.iter().map(|sibling| sibling.id).collect();
        let mut connected: HashMap<_, Vec<ChannelId>> = HashMap::new();
        for (sealed, Sibling { account }) in siblings.into_iter().zip(accounts) {
            let channel = self.remember_channel(sealed, now);
            let place = (channel.workspace_id, channel.kind, account);
            connected.entry(place).or_default().push(channel.id);
        }
        for ((workspace, kind, account), ids) in connected {
            self.memory.keep_account(workspace, kind, account, ids, now);
        }
        Ok(ids)
    }

    pub(super) async fn forget_channel(&self, id: ChannelId) {
        self.memory.forget_channel(id);
        self.ports.uncache(&format!("channel:{id}")).await;
    }
}
