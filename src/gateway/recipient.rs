//! Who a message goes to, and by which channel: the forms of `to` and `from`.

use super::decision::{Decision, not_found, replay};
use super::sealed::Sealed;
use super::send::{Accepted, Idempotency, Send, adapter_of, may_send_this};
use super::{Error, Gateway, Ports, next};
use crate::channel::adapter;
use crate::model::access::{Key, KeySecret};
use crate::model::channel::{Channel, ChannelKind, match_key};
use crate::model::contact::Address;
use crate::model::id::{ChannelId, ConversationId, WorkspaceId};
use crate::model::template::TemplateRecord;
use crate::model::time::Timestamp;
use crate::store::accept::{Among, FoundBy};
use crate::store::channels::{self, From, RecipientIs};
use crate::store::messages::Whose;
use crate::store::{self, Rows, templates};
use serde::Deserialize;
use std::rc::Rc;

/// Who is to be written to, as surfaces name them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recipient {
    /// A conversation's id, a contact's, or the provider's address: tried in this order.
    Any(String),
    Conversation(String),
    Contact(String),
    /// The provider's address.
    Address(String),
}

impl Recipient {
    fn text(&self) -> &str {
        match self {
            Recipient::Any(text)
            | Recipient::Conversation(text)
            | Recipient::Contact(text)
            | Recipient::Address(text) => text,
        }
    }

    /// The id it may be, and of what.
    fn id(&self) -> Option<(String, RecipientIs)> {
        let is = match self {
            Recipient::Any(_) => RecipientIs::Either,
            Recipient::Conversation(_) => RecipientIs::Conversation,
            Recipient::Contact(_) => RecipientIs::Contact,
            Recipient::Address(_) => return None,
        };
        let id = ConversationId::parse(self.text())?;
        Some((id.to_string(), is))
    }

    fn may_be_address(&self) -> bool {
        matches!(self, Recipient::Any(_) | Recipient::Address(_))
    }

    /// What is missing where it is an id of nothing.
    fn what(&self) -> &'static str {
        match self {
            Recipient::Any(_) => "conversation or contact",
            Recipient::Conversation(_) => "conversation",
            Recipient::Contact(_) => "contact",
            Recipient::Address(_) => "address",
        }
    }
}

/// Which channel sends, as surfaces name it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sender {
    /// A channel's id or identifier.
    pub name: Option<String>,
    /// The type it must be of. Without a name: the one of this type that the recipient
    /// used last, else the only one.
    pub kind: Option<ChannelKind>,
    /// Its account at the provider names it too.
    pub or_account: bool,
}

/// Who is written to, by which channel.
pub(super) struct Resolved {
    pub channel: Rc<Channel>,
    pub to: To,
    /// Templates that the message may mean, where one is asked for.
    pub templates: Vec<Rc<TemplateRecord>>,
    /// Nothing of it was read for this message.
    pub is_remembered: bool,
}

/// What is to be done about a message.
pub(super) enum Found {
    Recipient(Key, Resolved),
    /// Nothing: the same request made it before.
    Earlier(Accepted),
}

pub(super) enum To {
    Conversation(ConversationId, FoundBy),
    Address(Address),
}

/// The sender's name in the forms it is looked up by.
struct Named {
    id: Option<ChannelId>,
    match_key: String,
}

impl<P: Ports> Gateway<P> {
    /// The key and the recipient: from memory when all of it is there, else from
    /// one batch of reads, which also finds what the same request made before.
    pub(super) async fn resolve(
        &self,
        secret: &KeySecret,
        send: &Send,
        idempotency: &Idempotency,
        is_fresh: bool,
        now: Timestamp,
    ) -> Result<Found, Error> {
        let hash = secret.hash();
        let named = send.from.name.as_deref().map(|name| Named {
            id: ChannelId::parse(name),
            match_key: match_key(name),
        });
        if !is_fresh
            && let Some(key) = self
                .memory
                .key(&hash, now)
                .filter(|key| !key.is_expired(now))
            && let Some(resolved) = self.remembered(&key, send, named.as_ref(), now)
        {
            return Ok(Found::Recipient(key, resolved));
        }
        let kind = send.from.kind;
        let from = named.as_ref().map(|named| From {
            id: named.id,
            match_key: &named.match_key,
            or_account: send.from.or_account,
            kind,
        });
        let of_kind = kind.map(|_| From {
            id: None,
            match_key: "",
            or_account: false,
            kind,
        });
        let id = send.to.id();
        let address = kind
            .filter(|_| named.is_none() && send.to.may_be_address())
            .and_then(|kind| {
                let adapter = adapter(kind)?;
                let address = adapter.recipient(send.to.text()).ok()?;
                Some((kind, adapter.identity_kind(), address))
            });
        let queries = [
            id.as_ref().map(|(id, is)| {
                let from = from.as_ref().or(of_kind.as_ref());
                channels::sealed_of_recipient(&hash, id, *is, from)
            }),
            id.as_ref()
                .filter(|(_, is)| *is != RecipientIs::Conversation)
                .map(|(id, _)| channels::contact_addresses(&hash, id)),
            address.as_ref().map(|(kind, identity, address)| {
                channels::sealed_of_address(&hash, *kind, *identity, &address.0)
            }),
            from.as_ref().map(|from| channels::sealed_from(&hash, from)),
            kind.filter(|_| named.is_none())
                .map(|kind| channels::sealed_of_kind(&hash, kind)),
            send.content
                .template()
                .map(|draft| templates::wanted(&hash, &draft.template)),
            idempotency.earlier_by_first(&Whose::Key(&hash), now),
        ];
        let asked = queries.each_ref().map(Option::is_some);
        let mut batch = vec![store::keys::key_by_hash(&hash)];
        batch.extend(queries.into_iter().flatten());
        let mut rows = self.batch(batch).await?.into_iter();
        let key = self.learn_key(&hash, next(&mut rows), now)?;
        may_send_this(&key, send)?;
        let answers = asked.map(|asked| {
            if asked {
                next(&mut rows)
            } else {
                Rows::default()
            }
        });
        let [
            found,
            contact,
            last_used,
            senders,
            candidates,
            wanted,
            earlier,
        ] = answers;
        match replay(earlier, &idempotency.fingerprint)? {
            Some(Decision::Accepted(accepted)) => return Ok(Found::Earlier(accepted)),
            Some(Decision::Refused(error)) => return Err(error),
            Some(Decision::PlanChanged) | None => {}
        }
        let senders = self.read_sealed(senders)?;
        let sender = match &named {
            Some(named) => Some(self.named_sender(&key, send, named, senders, now)?),
            None => None,
        };
        let found = if found.0.is_empty() { last_used } else { found };
        let resolved = self.choose(&key, send, sender, found, contact, candidates, now)?;
        let templates = self
            .learn_templates(wanted, &resolved.channel, send, now)
            .await?;
        let resolved = Resolved {
            templates,
            ..resolved
        };
        Ok(Found::Recipient(key, resolved))
    }

    /// The one channel that a name means.
    fn named_sender(
        &self,
        key: &Key,
        send: &Send,
        named: &Named,
        senders: Vec<Sealed>,
        now: Timestamp,
    ) -> Result<Rc<Channel>, Error> {
        let mut senders = senders.into_iter();
        let channel = match (senders.next(), senders.next()) {
            (Some(_), Some(_)) => {
                return Err(Error::UnknownSender(
                    "several channels have this identifier; name one by its id",
                ));
            }
            (Some(only), None) => self.remember_channel(only, now),
            (None, _) if named.id.is_some() => return Err(not_found("channel", "/from")),
            (None, _) => {
                return Err(Error::UnknownSender(
                    "is not the id or the identifier of a channel",
                ));
            }
        };
        if named.id.is_none() {
            self.memory.keep_identifier(
                key.workspace_id,
                send.from.kind,
                named.match_key.clone(),
                channel.id,
                now,
            );
        }
        Ok(channel)
    }

    fn remembered(
        &self,
        key: &Key,
        send: &Send,
        named: Option<&Named>,
        now: Timestamp,
    ) -> Option<Resolved> {
        let workspace = key.workspace_id;
        let kind = send.from.kind;
        let is_right = |channel: &Rc<Channel>| {
            channel.workspace_id == workspace && kind.is_none_or(|kind| channel.kind == kind)
        };
        let sender = match named {
            None => None,
            Some(named) => {
                let id = named.id.or_else(|| {
                    self.memory
                        .identifier(workspace, kind, &named.match_key, now)
                })?;
                Some(self.memory.channel(id, now).filter(is_right)?)
            }
        };
        let (channel, to) = if let Some((id, is)) = send.to.id() {
            let sender = sender.map(|sender| sender.id);
            let (conversation, channel, found_by) =
                self.remembered_by_id(workspace, id, is, kind, sender, now)?;
            if sender.is_some_and(|sender| sender != channel) {
                return None;
            }
            let channel = self.memory.channel(channel, now).filter(is_right)?;
            (channel, To::Conversation(conversation, found_by))
        } else {
            let channel = sender?;
            if !send.to.may_be_address() {
                return None;
            }
            let address = adapter(channel.kind)?.recipient(send.to.text()).ok()?;
            let to = match self.memory.address(channel.id, &address, now) {
                Some(conversation) => To::Conversation(conversation, FoundBy::Address(address)),
                None => To::Address(address),
            };
            (channel, to)
        };
        let templates = match send.content.template() {
            Some(draft) => self.memory.templates(channel.id, &draft.template, now)?,
            None => vec![],
        };
        Some(Resolved {
            channel,
            to,
            templates,
            is_remembered: true,
        })
    }

    /// The conversation that an id means: its own, or the newest of a contact.
    fn remembered_by_id(
        &self,
        workspace: WorkspaceId,
        id: String,
        is: RecipientIs,
        kind: Option<ChannelKind>,
        sender: Option<ChannelId>,
        now: Timestamp,
    ) -> Option<(ConversationId, ChannelId, FoundBy)> {
        let channel_of = |id| self.memory.conversation(workspace, id, now);
        let itself = ConversationId::parse(&id)
            .filter(|_| is != RecipientIs::Contact)
            .and_then(|id| Some((id, channel_of(id)?, FoundBy::Id)));
        if itself.is_some() || is == RecipientIs::Conversation {
            return itself;
        }
        let among = match (sender, kind) {
            (Some(_), _) => Among::Channel,
            (None, Some(_)) => Among::Type,
            (None, None) => Among::All,
        };
        let meant = (workspace, id, kind, sender);
        let newest = self.memory.contact(&meant, now)?;
        let (_, id, ..) = meant;
        Some((newest, channel_of(newest)?, FoundBy::Contact { id, among }))
    }

    /// Reads `to` in its meanings: conversation, contact, address.
    #[expect(clippy::too_many_arguments, reason = "the answers of one batch")]
    fn choose(
        &self,
        key: &Key,
        send: &Send,
        sender: Option<Rc<Channel>>,
        found: Rows,
        contact: Rows,
        candidates: Rows,
        now: Timestamp,
    ) -> Result<Resolved, Error> {
        #[derive(Deserialize)]
        struct Row {
            conversation_id: ConversationId,
        }
        #[derive(Deserialize)]
        struct KnownAs {
            kind: Option<String>,
            value: Option<String>,
        }
        let resolved = |channel, to| {
            Ok(Resolved {
                channel,
                to,
                templates: vec![],
                is_remembered: false,
            })
        };
        let conversation: Option<Row> = found.clone().first()?;
        if let Some(Row { conversation_id }) = conversation {
            let sealed = self.read_sealed(found)?.into_iter().next();
            let channel = self.remember_channel(sealed.ok_or(Error::Internal)?, now);
            if let Some(sender) = &sender
                && sender.id != channel.id
            {
                return Err(Error::invalid(
                    "/from",
                    "is not the channel of this conversation",
                ));
            }
            let workspace = key.workspace_id;
            self.memory
                .keep_conversation(workspace, conversation_id, channel.id, now);
            if let Some((id, _)) = send.to.id()
                && id != conversation_id.to_string()
            {
                let meant = (workspace, id, send.from.kind, sender.map(|it| it.id));
                self.memory.keep_contact(meant, conversation_id, now);
            }
            return resolved(channel, To::Conversation(conversation_id, FoundBy::Id));
        }
        let known_as: Vec<KnownAs> = contact.read()?;
        let is_id = send.to.id().is_some();
        let is_address_only = !send.to.may_be_address();
        if is_address_only && known_as.is_empty() {
            return Err(not_found(send.to.what(), "/to"));
        }
        let Some(channel) =
            sender.map_or_else(|| self.only_one(send, candidates, now), |it| Ok(Some(it)))?
        else {
            if is_id && known_as.is_empty() {
                return Err(not_found("conversation or contact", "/to"));
            }
            let detail = if is_id {
                "is required: this contact has no conversation yet"
            } else {
                "is required when `to` is an address"
            };
            return Err(Error::invalid("/from", detail));
        };
        let adapter = adapter_of(&channel)?;
        if known_as.is_empty() {
            let address = adapter.recipient(send.to.text()).map_err(|invalid| {
                if is_id {
                    not_found("conversation or contact", "/to")
                } else {
                    Error::invalid("/to", invalid.detail)
                }
            })?;
            return resolved(channel, To::Address(address));
        }
        let kind = adapter.identity_kind().name();
        let address = known_as
            .into_iter()
            .filter(|known| known.kind.as_deref() == Some(kind))
            .find_map(|known| adapter.recipient(&known.value?).ok())
            .ok_or_else(|| Error::invalid("/to", format!("this contact has no {kind} address")))?;
        resolved(channel, To::Address(address))
    }

    /// The only channel of the type asked for; `None` where no type is.
    fn only_one(
        &self,
        send: &Send,
        candidates: Rows,
        now: Timestamp,
    ) -> Result<Option<Rc<Channel>>, Error> {
        #[derive(Deserialize)]
        struct Candidate {
            id: ChannelId,
            name: String,
        }
        let Some(kind) = send.from.kind else {
            return Ok(None);
        };
        let named: Vec<Candidate> = candidates.clone().read()?;
        let mut sealed = self.read_sealed(candidates)?.into_iter();
        match (sealed.next(), sealed.next()) {
            (Some(only), None) => Ok(Some(self.remember_channel(only, now))),
            (None, _) => Err(Error::invalid(
                "",
                format!("needs a {} channel, and none is connected", kind.name()),
            )),
            (Some(_), Some(_)) => {
                let choices: Vec<String> = named
                    .iter()
                    .map(|channel| format!("{} ({})", channel.name, channel.id))
                    .collect();
                Err(Error::invalid(
                    "",
                    format!(
                        "could be sent by several {} channels, and the recipient has used none of them: {}",
                        kind.name(),
                        choices.join(", ")
                    ),
                ))
            }
        }
    }
}
