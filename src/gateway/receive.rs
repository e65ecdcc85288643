//! What providers tell us: verified on the raw bytes, read, and durable before
//! the answer.

use super::intake::Gives;
use super::keys::Freshness;
use super::late::Late;
use super::{Error, Gateway, Ports};
use crate::channel::{self, Adapter, Entry, Inbound, Unverified, adapter};
use crate::model::channel::{Channel, ChannelKind};
use crate::model::id::ChannelId;
use crate::model::time::Timestamp;
use crate::store::inbound::{self, Receiver};
use crate::store::{Statement, channels};
use bytes::Bytes;
use http::{Method, Request, Response};
use serde_json::json;
use std::collections::HashMap;
use std::rc::Rc;

/// What became of a provider's request.
#[derive(Debug)]
pub enum Reception {
    UnknownChannel,
    /// The handshake's answer.
    Challenge(Response<Bytes>),
    /// The channel's provider has no handshake.
    NoHandshake,
    Unverified,
    /// Durable: the provider need not repeat it. With what it is answered.
    Stored(Response<Bytes>),
}

impl<P: Ports> Gateway<P> {
    /// Takes a provider's request to `/inbound/{channel}`.
    ///
    /// 1. The channel, remembered; read anew before a refusal, or where it changed.
    /// 2. The check, on the bytes as they came.
    /// 3. What is for other accounts of the same app goes to their channels.
    /// 4. One batch stores whatever is in it, if the channels are still those it was
    ///    checked with; a repeat stores nothing.
    /// 5. Subscribers' deliveries are hinted at. The rows are durable already.
    pub async fn receive(
        &self,
        id: ChannelId,
        request: &Request<Bytes>,
    ) -> Result<Reception, Error> {
        let now = self.now();
        let Some((channel, is_fresh)) = self.find_channel(id, now).await? else {
            return Ok(Reception::UnknownChannel);
        };
        let Some((channel, adapter)) = with_adapter(Some(channel)) else {
            return Ok(Reception::UnknownChannel);
        };
        if request.method() == Method::GET {
            return self.challenge(channel, adapter, request, now).await;
        }
        if let Ok(sorted) = self.sort(&channel, adapter, request, now)
            && (is_fresh || sorted.strangers.is_empty())
        {
            let sorted = self.sort_again(sorted, &channel, adapter, request).await?;
            self.log_strangers(id, &sorted);
            if self
                .store_inbound(sorted.parts, Freshness::Remembered, now)
                .await?
            {
                return Ok(Reception::Stored(adapter.acknowledgement(request)));
            }
        }
        self.receive_anew(id, request, now).await
    }

    /// The same with the channels as the database has them: what is remembered may be
    /// older than a secret, a number, or the end of one.
    async fn receive_anew(
        &self,
        id: ChannelId,
        request: &Request<Bytes>,
        now: Timestamp,
    ) -> Result<Reception, Error> {
        let Some((channel, adapter)) = with_adapter(self.find_channel_now(id, now).await?) else {
            return Ok(Reception::UnknownChannel);
        };
        let Ok(sorted) = self.sort(&channel, adapter, request, now) else {
            self.ports
                .log("inbound.unverified", json!({ "channel": id }));
            return Ok(Reception::Unverified);
        };
        let sorted = self.sort_again(sorted, &channel, adapter, request).await?;
        self.log_strangers(id, &sorted);
        if self
            .store_inbound(sorted.parts, Freshness::Now, now)
            .await?
        {
            Ok(Reception::Stored(adapter.acknowledgement(request)))
        } else {
            Err(Error::Unavailable)
        }
    }

    /// Counts what is for accounts that nobody connected here.
    fn log_strangers(&self, id: ChannelId, sorted: &Sorted) {
        if !sorted.strangers.is_empty() {
            let entries: usize = sorted.strangers.values().sum();
            self.ports.log(
                "inbound.other_account",
                json!({ "channel": id, "accounts": sorted.strangers.len(), "entries": entries }),
            );
        }
    }

    /// Verifies a webhook and hands its entries to the channels they are for: the one
    /// that was posted to, or another of its workspace whose secret verifies it as well.
    fn sort(
        &self,
        channel: &Rc<Channel>,
        adapter: &dyn Adapter,
        request: &Request<Bytes>,
        now: Timestamp,
    ) -> Result<Sorted, Unverified> {
        let path = request.uri().path_and_query();
        let path = path.map_or("", |path| path.as_str());
        let url = format!("{}{path}", self.config.public_url);
        adapter.verify(channel, &url, request)?;
        let (kind, entries) = channel::read(adapter, request);
        let own = adapter.account(channel);
        let mut sorted = Sorted {
            parts: vec![(Rc::clone(channel), vec![])],
            strangers: HashMap::new(),
        };
        for Entry { account, item } in entries {
            let is_own = match &account {
                Some(account) => kind == channel.kind && Some(account) == own.as_ref(),
                // Templates and notices are their account's, whichever channel is told of it.
                None => {
                    kind == channel.kind
                        || matches!(
                            item,
                            Inbound::Ignored(_) | Inbound::Template(_) | Inbound::Notice(_)
                        )
                }
            };
            if is_own {
                sorted.give(channel, item);
                continue;
            }
            let account = account.unwrap_or_default();
            let sibling = self.sibling(channel, kind, &account, now, |sibling| {
                adapter.verify(sibling, &url, request).is_ok()
            });
            match sibling {
                Some(sibling) => sorted.give(&sibling, item),
                None => *sorted.strangers.entry(account).or_default() += 1,
            }
        }
        Ok(sorted)
    }

    /// The same once more, if some of the strangers turn out to be connected.
    async fn sort_again(
        &self,
        sorted: Sorted,
        channel: &Rc<Channel>,
        adapter: &dyn Adapter,
        request: &Request<Bytes>,
    ) -> Result<Sorted, Error> {
        let accounts: Vec<&str> = sorted.strangers.keys().map(String::as_str).collect();
        if accounts.is_empty() || !self.find_siblings(channel, &accounts).await? {
            return Ok(sorted);
        }
        let again = self.sort(channel, adapter, request, self.now());
        Ok(again.unwrap_or(sorted))
    }

    /// Another channel of the workspace whose account it is, as far as is remembered, and
    /// whose secret verifies the request as well. (A channel may have changed its account
    /// since that was remembered.)
    fn sibling(
        &self,
        channel: &Channel,
        kind: ChannelKind,
        account: &str,
        now: Timestamp,
        is_verified: impl Fn(&Channel) -> bool,
    ) -> Option<Rc<Channel>> {
        let workspace = channel.workspace_id;
        let reader = adapter(kind)?;
        let ids = self.memory.account(workspace, kind, account, now)?;
        let known = ids.iter().filter_map(|id| self.memory.channel(*id, now));
        known
            .filter(|sibling| sibling.kind == kind && sibling.workspace_id == workspace)
            .filter(|sibling| reader.account(sibling).as_deref() == Some(account))
            .find(|sibling| is_verified(sibling))
    }

    async fn challenge(
        &self,
        channel: Rc<Channel>,
        adapter: &dyn Adapter,
        request: &Request<Bytes>,
        now: Timestamp,
    ) -> Result<Reception, Error> {
        let Some(response) = adapter.challenge(&channel, request) else {
            return Ok(Reception::NoHandshake);
        };
        if response.status().is_success() {
            return Ok(Reception::Challenge(response));
        }
        let fresh = self.find_channel_now(channel.id, now).await?;
        let fresh = fresh.and_then(|channel| adapter.challenge(&channel, request));
        Ok(fresh.map_or(Reception::UnknownChannel, Reception::Challenge))
    }

    /// Stores what was read; says whether every channel was still the one it was read with, for
    /// otherwise nothing of that channel is stored, and whether everybody who is remembered was
    /// there, for otherwise what they wrote is not.
    async fn store_inbound(
        &self,
        parts: Vec<(Rc<Channel>, Vec<Inbound>)>,
        people: Freshness,
        now: Timestamp,
    ) -> Result<bool, Error> {
        let mut batch: Vec<(Statement, Gives)> = Vec::new();
        let mut receivers = Vec::new();
        let mut copies = Vec::new();
        let mut met = Vec::new();
        for (channel, items) in parts {
            let receiver = Receiver {
                workspace_id: channel.workspace_id,
                channel_id: channel.id,
                version: Some(channel.version),
            };
            let kind = adapter(channel.kind)
                .ok_or(Error::Internal)?
                .identity_kind();
            let part = self.store_part(receiver, kind, items, people, now)?;
            if !part.statements.is_empty() {
                batch.extend(part.statements);
                batch.push((channels::heard(channel.id, now), Gives::Nothing));
                receivers.push((receiver, part.known));
            }
            copies.extend(part.copies);
            met.extend(part.met.into_iter().map(|person| (channel.id, person)));
        }
        if batch.is_empty() {
            return Ok(true);
        }
        let checks = receivers.len();
        batch.extend(
            receivers
                .into_iter()
                .map(|(receiver, known)| (inbound::is_current(receiver, &known), Gives::Nothing)),
        );
        let (statements, gives): (Vec<_>, Vec<_>) = batch.into_iter().unzip();
        let rows = self.batch(statements).await?;
        let is_current = rows
            .iter()
            .rev()
            .take(checks)
            .all(|rows| !rows.0.is_empty());
        if is_current {
            for (channel, person) in met {
                let told = person.told();
                self.memory.keep_person(channel, person.address, told, now);
            }
        }
        let mut deliveries = Vec::new();
        let mut late = Vec::new();
        let mut restored = Vec::new();
        for (rows, gives) in rows.into_iter().zip(gives) {
            match gives {
                Gives::Nothing => {}
                Gives::Deliveries => deliveries.extend(rows.read()?),
                Gives::Waiting(channel) => late.extend(Late::of(channel, rows)?),
                Gives::Noticed => restored.extend(self.noticed(rows).await?),
            }
        }
        deliveries.extend(self.apply_changes(&late, now).await?);
        // One batch of hints; what is beyond it is the sweep's.
        deliveries.truncate(100);
        self.push_deliveries(deliveries).await;
        self.wake_channels(&restored, now).await?;
        if is_current && self.ports.has_bucket() {
            copies.truncate(100);
            self.push_copies(copies).await;
        }
        Ok(is_current)
    }
}

/// The entries of a webhook by the channel they are for.
struct Sorted {
    parts: Vec<(Rc<Channel>, Vec<Inbound>)>,
    /// Accounts that no channel is known for, with how often they come.
    strangers: HashMap<String, usize>,
}

impl Sorted {
    fn give(&mut self, channel: &Rc<Channel>, item: Inbound) {
        match self
            .parts
            .iter_mut()
            .find(|(known, _)| known.id == channel.id)
        {
            Some((_, items)) => items.push(item),
            None => self.parts.push((Rc::clone(channel), vec![item])),
        }
    }
}

fn with_adapter(channel: Option<Rc<Channel>>) -> Option<(Rc<Channel>, &'static dyn Adapter)> {
    let channel = channel?;
    let adapter = adapter(channel.kind)?;
    Some((channel, adapter))
}
