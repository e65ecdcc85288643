//! Connecting senders, and opening their credentials for use.

use super::keys::unfold;
use super::{Error, Gateway, Hint, NoAnswer, Page, Ports, next, view};
use crate::channel::{ADAPTERS, Adapter, Invalid, Reason, SendError, adapter};
use crate::model::access::Key;
use crate::model::channel::{
    Channel, ChannelKind, ChannelRecord, ChannelStatus, Credentials, Settings, match_key,
};
use crate::model::id::{ChannelId, WorkspaceId};
use crate::model::json;
use crate::model::time::Timestamp;
use crate::store::channels::{self, Change, NewChannel};
use crate::store::{Rows, events, outbox, templates};
use bytes::Bytes;
use http::Request;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::rc::Rc;

pub struct ConnectChannel {
    pub kind: ChannelKind,
    pub name: String,
    pub identifier: Option<String>,
    pub credentials: Credentials,
    pub settings: Settings,
}

#[derive(Default)]
pub struct ChannelPatch {
    pub name: Option<String>,
    pub credentials: Option<Credentials>,
    /// Only the settings that change, as JSON.
    pub settings: Option<serde_json::Value>,
    pub status: Option<ChannelStatus>,
}

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

/// Credentials that take the place of others.
struct Renewed {
    /// The channel with them.
    channel: Channel,
    sealed: String,
    account: Option<String>,
    templates_account: Option<String>,
}

/// How long a provider may take to say whether credentials are good.
const PROBE_MS: u32 = 5_000;

/// What a provider says of a channel's credentials.
#[derive(Debug, PartialEq)]
enum Probed {
    /// With what the provider calls the channel, where it says.
    Good(Option<String>),
    Refused(SendError),
    NoAnswer,
}

/// The place credentials are bound to.
fn place(workspace: WorkspaceId, id: ChannelId) -> String {
    format!("channel|{workspace}|{id}|credentials")
}

impl<P: Ports> Gateway<P> {
    pub async fn connect_channel(
        &self,
        key: &Key,
        connect: ConnectChannel,
    ) -> Result<view::Channel, Error> {
        let now = self.now();
        let adapter = built(connect.kind)?;
        let credentials = check_credentials(adapter, connect.credentials)?;
        let public_key = adapter.profile().is_local.then(|| self.token());
        let mut identifier = match &connect.identifier {
            Some(identifier) => adapter
                .identifier(identifier)
                .map_err(|invalid| Error::invalid("/identifier", invalid.detail))?,
            None => adapter
                .default_identifier(&credentials)
                .or_else(|| public_key.clone())
                .ok_or_else(|| {
                    Error::invalid("/identifier", "is required: the credentials do not say it")
                })?,
        };
        let given = serde_json::to_value(&connect.settings).unwrap_or_default();
        check_settings(connect.kind, &given)?;
        if connect.settings.require_identity && credentials.get("identitySecret").is_empty() {
            return Err(Error::invalid(
                "/credentials/identitySecret",
                "is required where visitors must prove who they are",
            ));
        }
        let id: ChannelId = self.fresh(now);
        let channel = Channel {
            id,
            workspace_id: key.workspace_id,
            kind: connect.kind,
            identifier: identifier.clone(),
            settings: connect.settings.clone(),
            credentials,
            version: 1,
        };
        let introduced = self.refuse_bad_token(adapter, &channel).await?;
        if connect.identifier.is_none() {
            identifier = introduced.unwrap_or(identifier);
        }
        let account = adapter.account(&channel);
        let credentials = self.seal_credentials(key.workspace_id, id, &channel.credentials)?;
        let new = NewChannel {
            account: account.as_deref(),
            public_key: public_key.as_deref(),
            templates_account: templates_account(adapter, &channel),
            id,
            workspace_id: key.workspace_id,
            kind: connect.kind,
            name: &connect.name,
            match_key: &match_key(&identifier),
            identifier: &identifier,
            settings: &connect.settings,
            credentials: &credentials,
        };
        let rows = self.batch(vec![channels::create(&new, now)]).await?;
        let stored: Vec<ChannelRecord> = next(&mut rows.into_iter()).records()?;
        let Some(record) = stored.into_iter().next() else {
            return Err(Error::Conflict {
                detail: "a channel of this type and identifier is connected already",
                pointer: Some("/identifier".to_owned()),
            });
        };
        self.memory
            .forget_identifier(key.workspace_id, connect.kind, new.match_key);
        let (announced, _) = self.announce(adapter, &channel, now).await?;
        let record = announced.into_iter().next().unwrap_or(record);
        Ok(view::Channel::of(record, &self.config.public_url))
    }

    /// Tells the provider where to post, where one call does that. What keeps it from being
    /// told is noted with the channel, which is given back where that changed, and said.
    async fn announce(
        &self,
        adapter: &dyn Adapter,
        channel: &Channel,
        now: Timestamp,
    ) -> Result<(Vec<ChannelRecord>, Option<Reason>), Error> {
        let url = self.inbound_url(channel.id);
        let Some(request) = adapter.announce(&self.config.origins, channel, &url) else {
            return Ok((vec![], None));
        };
        let told = self.ask(adapter, request).await;
        let problem = probed_error(&told);
        let noted = channels::announced(channel.id, problem.is_none(), now);
        let rows = self.batch(vec![noted]).await?;
        Ok((next(&mut rows.into_iter()).records()?, problem))
    }

    pub async fn channel(&self, key: &Key, id: ChannelId) -> Result<view::Channel, Error> {
        let mut rows = self
            .read(key, vec![channels::get(key.workspace_id, id)])
            .await?;
        let found: Vec<ChannelRecord> = next(&mut rows).records()?;
        self.show_channel(found)
    }

    pub async fn list_channels(
        &self,
        key: &Key,
        kind: Option<ChannelKind>,
        after: &str,
        limit: i64,
    ) -> Result<Page<view::Channel>, Error> {
        let statement = channels::list(key.workspace_id, kind, after, limit + 1);
        let mut rows = self.read(key, vec![statement]).await?;
        let found: Vec<ChannelRecord> = next(&mut rows).records()?;
        let page = Page::of(found, limit, |channel| channel.id.to_string());
        Ok(page.map(|record| view::Channel::of(record, &self.config.public_url)))
    }

    /// Changes a channel. Credentials given replace those that stand, one by one; they
    /// connect a channel that waits for them.
    pub async fn patch_channel(
        &self,
        key: &Key,
        id: ChannelId,
        kind: ChannelKind,
        patch: ChannelPatch,
    ) -> Result<view::Channel, Error> {
        if let Some(settings) = &patch.settings {
            check_settings(kind, settings)?;
        }
        let renewed = match patch.credentials {
            Some(given) => Some(self.renewed_credentials(key, id, given).await?),
            None => None,
        };
        let change = Change {
            name: patch.name.as_deref(),
            settings: patch.settings.as_ref(),
            credentials: renewed.as_ref().map(|renewed| renewed.sealed.as_str()),
            account: renewed
                .as_ref()
                .and_then(|renewed| renewed.account.as_deref()),
            templates_account: renewed
                .as_ref()
                .and_then(|renewed| renewed.templates_account.as_deref()),
            status: patch.status,
        };
        let now = self.now();
        let mut batch = vec![channels::update(key.workspace_id, id, &change)];
        batch.extend(events::channel_updated(
            key.workspace_id,
            id,
            self.fresh(now),
            now,
        ));
        batch.push(channels::get(key.workspace_id, id));
        if change.credentials.is_some() {
            batch.push(outbox::wake(id, now));
        }
        let mut rows = self.batch(batch).await?.into_iter();
        self.forget_channel(id).await;
        let told = rows.nth(2).unwrap_or_default();
        self.push_deliveries(told.read()?).await;
        let channel = self.show_channel(next(&mut rows).records()?)?;
        let woken: Vec<Hint> = next(&mut rows).read()?;
        self.push_sends(woken).await;
        let Some(renewed) = renewed else {
            return Ok(channel);
        };
        let adapter = built(kind)?;
        let (announced, _) = self.announce(adapter, &renewed.channel, self.now()).await?;
        if announced.is_empty() {
            return Ok(channel);
        }
        self.show_channel(announced)
    }

    /// The credentials that stand with those given, sealed.
    async fn renewed_credentials(
        &self,
        key: &Key,
        id: ChannelId,
        given: Credentials,
    ) -> Result<Renewed, Error> {
        if given.0.is_empty() {
            return Err(Error::invalid("/credentials", "must name at least one"));
        }
        let channel = self.open_channel(self.own_channel(key, id).await?);
        let adapter = built(channel.kind)?;
        let mut credentials = channel.credentials.clone();
        credentials.0.extend(given.0);
        let credentials = check_credentials(adapter, credentials)?;
        check_owner(adapter, &channel.credentials, &credentials)?;
        let channel = Channel {
            credentials,
            ..channel.as_ref().clone()
        };
        self.refuse_bad_token(adapter, &channel).await?;
        Ok(Renewed {
            sealed: self.seal_credentials(key.workspace_id, id, &channel.credentials)?,
            account: adapter.account(&channel),
            templates_account: templates_account(adapter, &channel).map(str::to_owned),
            channel,
        })
    }

    /// Asks the provider whether it takes the credentials, and what it calls the channel.
    /// Only a clear no counts: a provider that cannot be reached keeps nobody from connecting.
    async fn refuse_bad_token(
        &self,
        adapter: &dyn Adapter,
        channel: &Channel,
    ) -> Result<Option<String>, Error> {
        match self.probe(adapter, channel).await {
            Probed::Refused(SendError::Unauthorized(reason)) => Err(Error::invalid(
                "/credentials",
                format!("are refused by the provider: {}", reason.message),
            )),
            Probed::Good(introduced) => Ok(introduced),
            Probed::Refused(_) | Probed::NoAnswer => Ok(None),
        }
    }

    async fn probe(&self, adapter: &dyn Adapter, channel: &Channel) -> Probed {
        let Some(request) = adapter.probe(&self.config.origins, channel) else {
            return Probed::Good(None);
        };
        self.ask(adapter, request).await
    }

    async fn ask(&self, adapter: &dyn Adapter, request: Request<Bytes>) -> Probed {
        match self.ports.fetch(request, PROBE_MS).await {
            Ok(response) => match adapter.probed(&response) {
                Ok(()) => Probed::Good(adapter.introduced(&response)),
                Err(error) => Probed::Refused(error),
            },
            Err(NoAnswer) => Probed::NoAnswer,
        }
    }

    /// Asks the provider whether a channel works, and says what is wrong. A refused token
    /// moves the channel to `needs_reauth`, one that is taken moves it back; the provider is
    /// told again where to post.
    pub async fn test_channel(&self, key: &Key, id: ChannelId) -> Result<view::ChannelTest, Error> {
        let now = self.now();
        let sealed = self.own_channel(key, id).await?;
        let status = sealed.status;
        let channel = self.open_channel(sealed);
        let adapter = built(channel.kind)?;
        let probed = self.probe(adapter, &channel).await;
        let workspace = key.workspace_id;
        let mut batch = match (&probed, status) {
            (Probed::Refused(SendError::Unauthorized(reason)), ChannelStatus::Connected) => {
                let code = reason.provider_code.as_deref().unwrap_or(reason.code);
                let used = (id, channel.version);
                self.refused_token(workspace, used, code, now).to_vec()
            }
            (Probed::Good(_), ChannelStatus::NeedsReauth) => {
                let [told, fanned] = events::channel_updated(workspace, id, self.fresh(now), now);
                vec![channels::is_well(id, channel.version), told, fanned]
            }
            _ => vec![],
        };
        let has_changed = !batch.is_empty();
        let is_good = matches!(probed, Probed::Good(_));
        let mut problem = probed_error(&probed);
        if is_good {
            (_, problem) = self.announce(adapter, &channel, now).await?;
        }
        batch.push(channels::get(key.workspace_id, id));
        if has_changed && is_good {
            batch.push(outbox::wake(id, now));
        }
        let mut rows = self.batch(batch).await?.into_iter();
        if has_changed {
            self.forget_channel(id).await;
            let told = rows.nth(2).unwrap_or_default();
            self.push_deliveries(told.read()?).await;
        }
        let channel = self.show_channel(next(&mut rows).records()?)?;
        let woken: Vec<Hint> = next(&mut rows).read()?;
        self.push_sends(woken).await;
        Ok(view::ChannelTest::of(channel, &problem))
    }

    pub async fn delete_channel(&self, key: &Key, id: ChannelId) -> Result<(), Error> {
        let batch = vec![
            channels::delete(key.workspace_id, id, self.now()),
            templates::remove_of_deleted(key.workspace_id, id),
        ];
        let rows = self.batch(batch).await?;
        self.forget_channel(id).await;
        if next(&mut rows.into_iter()).0.is_empty() {
            return Err(Error::not_found("channel"));
        }
        Ok(())
    }

    fn show_channel(&self, found: Vec<ChannelRecord>) -> Result<view::Channel, Error> {
        let record = found
            .into_iter()
            .next()
            .ok_or(Error::not_found("channel"))?;
        Ok(view::Channel::of(record, &self.config.public_url))
    }

    fn seal_credentials(
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
    async fn own_channel(&self, key: &Key, id: ChannelId) -> Result<Sealed, Error> {
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

/// Whether some type of channel has a credential of this name.
#[must_use]
pub fn is_credential(name: &str) -> bool {
    ADAPTERS.iter().any(|adapter| {
        let optional = adapter.optional_credential_names();
        adapter.credential_names().contains(&name) || optional.contains(&name)
    })
}

/// What the provider calls the account whose templates a channel has.
fn templates_account<'a>(adapter: &dyn Adapter, channel: &'a Channel) -> Option<&'a str> {
    Some(adapter.templates()?.account(channel))
}

/// The adapter of a type, or that there is none yet.
fn built(kind: ChannelKind) -> Result<&'static dyn Adapter, Error> {
    adapter(kind).ok_or_else(|| {
        Error::invalid(
            "/type",
            format!("{} channels cannot be connected yet", kind.name()),
        )
    })
}

/// Settings that channels of one type alone have.
const OWN_SETTINGS: [(&str, ChannelKind); 5] = [
    ("defaultLanguage", ChannelKind::Whatsapp),
    ("login", ChannelKind::Instagram),
    ("allowedOrigins", ChannelKind::Webchat),
    ("displayName", ChannelKind::Webchat),
    ("requireIdentity", ChannelKind::Webchat),
];

/// Settings that are another type's are refused, not ignored.
fn check_settings(kind: ChannelKind, given: &serde_json::Value) -> Result<(), Error> {
    let foreign = OWN_SETTINGS
        .iter()
        .find(|(name, owner)| *owner != kind && given.get(name).is_some());
    match foreign {
        Some((name, owner)) => Err(Error::invalid(
            format!("/settings/{name}"),
            format!("is a setting of {} channels", owner.name()),
        )),
        None => Ok(()),
    }
}

/// The provider's word on what is wrong, if something is.
fn probed_error(probed: &Probed) -> Option<Reason> {
    match probed {
        Probed::Good(_) => None,
        Probed::NoAnswer => Some(Reason {
            code: "unavailable",
            provider_code: None,
            message: "The provider gave no complete answer.".to_owned(),
        }),
        Probed::Refused(
            SendError::Throttled { reason, .. }
            | SendError::Temporary(reason)
            | SendError::Unauthorized(reason)
            | SendError::Rejected(reason)
            | SendError::Unclear(reason),
        ) => Some(reason.clone()),
    }
}

/// New credentials are of the account that the channel is, as far as that is known.
fn check_owner(adapter: &dyn Adapter, old: &Credentials, new: &Credentials) -> Result<(), Error> {
    let was = adapter.owner(old).filter(|(_, owner)| !owner.is_empty());
    match (was, adapter.owner(new)) {
        (Some((_, was)), Some((name, is))) if was != is => Err(Error::invalid(
            format!("/credentials/{name}"),
            "is of another account; connect that as a channel of its own",
        )),
        _ => Ok(()),
    }
}

/// Every credential of the type is there, and none is empty. Others are left out.
fn check_credentials(
    adapter: &dyn Adapter,
    credentials: Credentials,
) -> Result<Credentials, Error> {
    let mut credentials = credentials;
    let names = adapter.credential_names();
    let optional = adapter.optional_credential_names();
    credentials.0.retain(|name, value| {
        names.contains(&name.as_str()) || (optional.contains(&name.as_str()) && !value.is_empty())
    });
    let missing: Vec<Invalid> = names
        .iter()
        .filter(|name| credentials.get(name).trim().is_empty())
        .map(|name| Invalid::new(format!("/credentials/{name}"), "is required"))
        .collect();
    if !missing.is_empty() {
        return Err(Error::Invalid(missing));
    }
    let is_header = |value: &String| value.bytes().all(|byte| (0x21..0x7f).contains(&byte));
    if let Some((name, _)) = credentials.0.iter().find(|(_, value)| !is_header(value)) {
        return Err(Error::invalid(
            format!("/credentials/{name}"),
            "must be printable ASCII without spaces",
        ));
    }
    adapter.check_credentials(&credentials).map_err(|invalid| {
        Error::invalid(format!("/credentials{}", invalid.pointer), invalid.detail)
    })?;
    Ok(credentials)
}
