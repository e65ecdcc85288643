//! Connecting senders: their credentials checked and sealed, their settings, their place at the provider.

use super::{Error, Gateway, Hint, NoAnswer, Page, Ports, next, view};
use crate::channel::{ADAPTERS, Adapter, Invalid, Reason, SendError, adapter};
use crate::model::access::Key;
use crate::model::channel::{
    Channel, ChannelKind, ChannelRecord, ChannelStatus, Credentials, Settings, match_key,
};
use crate::model::id::ChannelId;
use crate::model::time::Timestamp;
use crate::store::channels::{self, Change, NewChannel};
use crate::store::{events, outbox, templates};
use bytes::Bytes;
use http::Request;

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
