//! Accepting a message: plan on what this isolate remembers, commit on what is
//! true. The accept batch carries every guard; its answer explains a refusal.

use super::deliver::Hint;
use super::keys::Freshness;
use super::{Error, Gateway, Ports, Queue, next};
use crate::channel::{Adapter, adapter};
use crate::model::access::{Key, KeySecret, Scope};
use crate::model::channel::{Channel, ChannelStatus, match_key};
use crate::model::contact::Address;
use crate::model::content::Content;
use crate::model::conversation::ServiceWindow;
use crate::model::id::{ChannelId, ContactId, ConversationId, MessageId};
use crate::model::message::{Actor, MessageRecord};
use crate::model::time::Timestamp;
use crate::store::messages::{Accept, Target};
use crate::store::{self, Rows, channels, messages};
use serde::Deserialize;
use std::rc::Rc;

/// A message as a client asks for it, on whatever surface.
#[derive(Clone, Debug)]
pub struct Send {
    /// A channel's id or identifier.
    pub from: Option<String>,
    /// A conversation's id, a contact's id, or a provider address.
    pub to: String,
    pub content: Content,
    pub reply_to: Option<MessageId>,
    /// JSON, kept as it was given.
    pub metadata: Option<String>,
    pub expires_at: Option<Timestamp>,
    pub actor: Actor,
}

/// What makes two requests the same request.
#[derive(Clone, Debug)]
pub struct Idempotency {
    /// Method, path and `Idempotency-Key`; none without a key.
    pub scope: Option<String>,
    pub client_message_id: Option<String>,
    /// Of the body, as JSON values.
    pub fingerprint: String,
}

/// A message accepted now, or by the same request before.
#[derive(Debug)]
pub struct Accepted {
    pub message: Box<MessageRecord>,
    pub is_replay: bool,
}

/// Who is written to, by which channel.
struct Recipient {
    channel: Rc<Channel>,
    to: To,
}

enum To {
    Conversation(ConversationId),
    Address(Address),
}

impl<P: Ports> Gateway<P> {
    /// Accepts a message, or finds that it was accepted before.
    ///
    /// `send` may already be a refusal: a replay is answered before any check, so
    /// a refusal stands only where there is nothing to replay.
    ///
    /// 1. The key: remembered, else read together with the recipient.
    /// 2. The plan: channel, address, content and limits.
    /// 3. The accept batch; once more with fresh knowledge if the channel changed.
    /// 4. A hint to the queue. The row is durable whether it arrives or not.
    pub async fn send(
        &self,
        secret: &KeySecret,
        idempotency: &Idempotency,
        send: Result<Send, Error>,
    ) -> Result<Accepted, Error> {
        match self.plan_and_accept(secret, idempotency, send).await {
            Ok(accepted) => Ok(accepted),
            Err(
                error @ (Error::InvalidKey
                | Error::ExpiredKey
                | Error::MissingScope(_)
                | Error::KeyReused
                | Error::Unavailable),
            ) => Err(error),
            Err(refusal) => match self.earlier(secret, idempotency).await? {
                Some(accepted) => Ok(accepted),
                None => Err(refusal),
            },
        }
    }

    async fn plan_and_accept(
        &self,
        secret: &KeySecret,
        idempotency: &Idempotency,
        send: Result<Send, Error>,
    ) -> Result<Accepted, Error> {
        let now = self.now();
        let send = match send {
            Ok(send) => send,
            Err(refusal) => {
                let key = self.authenticate(secret, Freshness::Remembered).await?;
                may_send(&key)?;
                return Err(refusal);
            }
        };
        let mut is_fresh = false;
        loop {
            let (key, recipient) = self.resolve(secret, &send, is_fresh, now).await?;
            may_send(&key)?;
            let adapter = adapter_of(&recipient.channel)?;
            check(adapter, &send, now)?;
            let accept = self.plan(&key, &recipient, adapter, &send, idempotency, now)?;
            match self.accept(&accept).await? {
                Decision::Accepted(accepted) => {
                    self.memory.keep_conversation(
                        accept.workspace_id,
                        accepted.message.conversation_id,
                        accept.channel_id,
                        now,
                    );
                    return Ok(accepted);
                }
                Decision::Refused(error) => {
                    if matches!(error, Error::InvalidKey) {
                        self.memory.forget_key(&secret.hash());
                    }
                    return Err(error);
                }
                Decision::ChannelChanged if !is_fresh => {
                    self.forget_channel(accept.channel_id).await;
                    is_fresh = true;
                }
                Decision::ChannelChanged => return Err(Error::Unavailable),
            }
        }
    }

    /// The key and the recipient: from memory when all of it is there, else from
    /// one batch of reads.
    async fn resolve(
        &self,
        secret: &KeySecret,
        send: &Send,
        is_fresh: bool,
        now: Timestamp,
    ) -> Result<(Key, Recipient), Error> {
        let hash = secret.hash();
        let from = send
            .from
            .as_deref()
            .map(|from| (ChannelId::parse(from), match_key(from)));
        if !is_fresh
            && let Some(key) = self
                .memory
                .key(&hash, now)
                .filter(|key| !key.is_expired(now))
            && let Some(recipient) = self.remembered(&key, send, from.as_ref(), now)
        {
            return Ok((key, recipient));
        }
        let from = from
            .as_ref()
            .map(|(id, match_key)| (*id, match_key.as_str()));
        let mut batch = vec![store::keys::key_by_hash(&hash)];
        let is_id = ConversationId::parse(&send.to).is_some();
        if is_id {
            batch.push(channels::sealed_of_recipient(&hash, &send.to, from));
            batch.push(channels::contact_addresses(&hash, &send.to));
        }
        if let Some((id, match_key)) = from {
            batch.push(channels::sealed_from(&hash, id, match_key));
        }
        let mut rows = self.batch(batch).await?.into_iter();
        let key = self.learn_key(&hash, next(&mut rows), now)?;
        may_send(&key)?;
        let (found, contact) = if is_id {
            (next(&mut rows), next(&mut rows))
        } else {
            (Rows::default(), Rows::default())
        };
        let senders = self.read_sealed(next(&mut rows))?;
        let sender = match (from, senders.len()) {
            (None, _) => None,
            (Some((Some(_), _)), 0) => return Err(not_found("channel", "/from")),
            (Some(_), 0) => {
                return Err(Error::invalid(
                    "/from",
                    "no channel has this id or identifier",
                ));
            }
            (Some(_), 1) => senders.into_iter().next().map(|sealed| {
                let status = sealed.status;
                (self.open_channel(sealed), status)
            }),
            (Some(_), _) => {
                return Err(Error::invalid(
                    "/from",
                    "several channels have this identifier; name one by its id",
                ));
            }
        };
        if let Some((channel, _)) = &sender {
            self.memory.keep_channel(channel.clone(), now);
            if let Some((None, match_key)) = from {
                let workspace = key.workspace_id;
                self.memory
                    .keep_identifier(workspace, match_key.to_owned(), channel.id, now);
            }
        }
        let recipient = self.choose(&key, send, sender, found, contact, now)?;
        Ok((key, recipient))
    }

    fn remembered(
        &self,
        key: &Key,
        send: &Send,
        from: Option<&(Option<ChannelId>, String)>,
        now: Timestamp,
    ) -> Option<Recipient> {
        let workspace = key.workspace_id;
        let is_own = |channel: &Rc<Channel>| channel.workspace_id == workspace;
        let sender = match from {
            None => None,
            Some((id, match_key)) => {
                let id = id.or_else(|| self.memory.identifier(workspace, match_key, now))?;
                Some(self.memory.channel(id, now).filter(is_own)?)
            }
        };
        if let Some(id) = ConversationId::parse(&send.to) {
            let channel = self.memory.conversation(workspace, id, now)?;
            if sender.is_some_and(|sender| sender.id != channel) {
                return None;
            }
            return Some(Recipient {
                channel: self.memory.channel(channel, now).filter(is_own)?,
                to: To::Conversation(id),
            });
        }
        let channel = sender?;
        let address = adapter(channel.kind)?.recipient(&send.to).ok()?;
        Some(Recipient {
            channel,
            to: To::Address(address),
        })
    }

    /// Reads `to` in its three meanings: conversation, contact, address.
    fn choose(
        &self,
        key: &Key,
        send: &Send,
        sender: Option<(Rc<Channel>, ChannelStatus)>,
        found: Rows,
        contact: Rows,
        now: Timestamp,
    ) -> Result<Recipient, Error> {
        #[derive(Deserialize)]
        struct Found {
            conversation_id: ConversationId,
        }
        #[derive(Deserialize)]
        struct KnownAs {
            kind: Option<String>,
            value: Option<String>,
        }
        let conversation: Option<Found> = found.clone().first()?;
        if let Some(Found { conversation_id }) = conversation {
            let sealed = self.read_sealed(found)?.into_iter().next();
            let channel = self.open_channel(sealed.ok_or(Error::Internal)?);
            if sender.is_some_and(|(sender, _)| sender.id != channel.id) {
                return Err(Error::invalid(
                    "/from",
                    "is not the channel of this conversation",
                ));
            }
            self.memory.keep_channel(channel.clone(), now);
            self.memory
                .keep_conversation(key.workspace_id, conversation_id, channel.id, now);
            return Ok(Recipient {
                channel,
                to: To::Conversation(conversation_id),
            });
        }
        let known_as: Vec<KnownAs> = contact.read()?;
        let is_id = ConversationId::parse(&send.to).is_some();
        let Some((channel, _)) = sender else {
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
            let address = adapter.recipient(&send.to).map_err(|invalid| {
                if is_id {
                    not_found("conversation or contact", "/to")
                } else {
                    Error::invalid("/to", invalid.detail)
                }
            })?;
            return Ok(Recipient {
                channel,
                to: To::Address(address),
            });
        }
        let kind = messages::kind_name(adapter.identity_kind());
        let address = known_as
            .into_iter()
            .filter(|known| known.kind.as_deref() == Some(kind))
            .find_map(|known| adapter.recipient(&known.value?).ok())
            .ok_or_else(|| Error::invalid("/to", format!("this contact has no {kind} address")))?;
        Ok(Recipient {
            channel,
            to: To::Address(address),
        })
    }

    fn plan(
        &self,
        key: &Key,
        recipient: &Recipient,
        adapter: &dyn Adapter,
        send: &Send,
        idempotency: &Idempotency,
        now: Timestamp,
    ) -> Result<Accept, Error> {
        let channel = &recipient.channel;
        let window = ServiceWindow::of(channel.kind, channel.settings.enforce_window);
        Ok(Accept {
            id: self.fresh(now),
            workspace_id: key.workspace_id,
            key_id: key.id,
            channel_id: channel.id,
            channel_version: channel.version,
            target: match &recipient.to {
                To::Conversation(id) => Target::Conversation(*id),
                To::Address(address) => Target::Address {
                    address: address.clone(),
                    kind: adapter.identity_kind(),
                    new_conversation: self.fresh(now),
                    new_contact: self.fresh::<ContactId>(now),
                },
            },
            content: serde_json::to_string(&send.content).map_err(|_| Error::Internal)?,
            actor: send.actor,
            reply_to: send.reply_to,
            metadata: send.metadata.clone(),
            client_message_id: idempotency.client_message_id.clone(),
            fingerprint: idempotency.fingerprint.clone(),
            expires_at: send.expires_at,
            window_ms: window.length_ms(),
            scope: idempotency.scope.clone(),
            now,
        })
    }

    /// Runs the accept batch and reads its answer.
    async fn accept(&self, accept: &Accept) -> Result<Decision, Error> {
        let workspace = accept.workspace_id;
        let mut batch = vec![messages::insert(accept)];
        batch.extend(messages::follow(accept));
        let written = batch.len();
        batch.push(messages::get(workspace, accept.id));
        batch.push(messages::earlier(
            workspace,
            accept.scope.as_deref(),
            accept.client_message_id.as_deref(),
            accept.now,
        ));
        batch.push(messages::explain(accept));
        let mut rows = self.batch(batch).await?.into_iter().skip(written);
        let mine: Vec<MessageRecord> = next(&mut rows).records()?;
        let earlier = next(&mut rows);
        let explained = next(&mut rows);
        if let Some(message) = mine.into_iter().next() {
            let hint = Hint::Message {
                workspace,
                message: accept.id,
            };
            self.push(Queue::Outbound, vec![hint.push(0)]).await;
            return Ok(Decision::Accepted(Accepted {
                message: Box::new(message.as_accepted()),
                is_replay: false,
            }));
        }
        let state: Explained = explained.first()?.ok_or(Error::Internal)?;
        if state.key_is_live == 0 {
            return Ok(Decision::Refused(Error::InvalidKey));
        }
        if let Some(decision) = replay(earlier, &accept.fingerprint)? {
            return Ok(decision);
        }
        explain(accept, &state)
    }

    /// What a request accepted before made, if this is the same one again. Checks the
    /// key on the way: a refusal tells nothing to one that was revoked.
    async fn earlier(
        &self,
        secret: &KeySecret,
        idempotency: &Idempotency,
    ) -> Result<Option<Accepted>, Error> {
        let key = self.authenticate(secret, Freshness::Remembered).await?;
        let statement = messages::earlier(
            key.workspace_id,
            idempotency.scope.as_deref(),
            idempotency.client_message_id.as_deref(),
            self.now(),
        );
        let mut rows = self.read(&key, vec![statement]).await?;
        match replay(next(&mut rows), &idempotency.fingerprint)? {
            Some(Decision::Accepted(accepted)) => Ok(Some(accepted)),
            Some(Decision::Refused(error)) => Err(error),
            Some(Decision::ChannelChanged) | None => Ok(None),
        }
    }
}

enum Decision {
    Accepted(Accepted),
    Refused(Error),
    /// The plan was made with an older version of the channel.
    ChannelChanged,
}

/// Reads `messages::earlier`: the same body is answered again, another refused.
fn replay(rows: Rows, fingerprint: &str) -> Result<Option<Decision>, Error> {
    #[derive(Deserialize)]
    struct Earlier {
        by: String,
        fingerprint: String,
        record: String,
    }
    let mut earlier: Vec<Earlier> = rows.read()?;
    // The key's message comes before the client id's: it is asked first.
    earlier.sort_by_key(|row| row.by != "key");
    let Some(row) = earlier.into_iter().next() else {
        return Ok(None);
    };
    if row.fingerprint != fingerprint {
        let error = if row.by == "key" {
            Error::KeyReused
        } else {
            Error::Conflict {
                detail: "clientMessageId was used for another message",
                pointer: Some("/clientMessageId".to_owned()),
            }
        };
        return Ok(Some(Decision::Refused(error)));
    }
    let message: MessageRecord = store::record(&row.record)?;
    Ok(Some(Decision::Accepted(Accepted {
        message: Box::new(message.as_accepted()),
        is_replay: true,
    })))
}

/// What the guards looked at.
#[derive(Deserialize)]
struct Explained {
    key_is_live: i64,
    channel_version: Option<i64>,
    channel_status: Option<ChannelStatus>,
    channel_deleted_at: Option<i64>,
    conversation_id: Option<String>,
    last_inbound_at: Option<i64>,
    reply_is_known: i64,
}

/// Why the guards refused, in the order a client can act on.
fn explain(accept: &Accept, state: &Explained) -> Result<Decision, Error> {
    let refused = |error| Ok(Decision::Refused(error));
    // A channel that changed is looked up again: its identifier may be another's now.
    if state.channel_version != Some(accept.channel_version) {
        return Ok(Decision::ChannelChanged);
    }
    if state.channel_deleted_at.is_some() {
        return refused(Error::ChannelUnavailable {
            why: "it was deleted",
        });
    }
    match state.channel_status {
        Some(ChannelStatus::Disabled) => {
            return refused(Error::ChannelUnavailable {
                why: "it is disabled",
            });
        }
        Some(ChannelStatus::NeedsReauth) => {
            return refused(Error::ChannelUnavailable {
                why: "the provider refuses its token; give it new credentials",
            });
        }
        Some(ChannelStatus::Connected) | None => {}
    }
    if state.conversation_id.is_none() && matches!(accept.target, Target::Conversation(_)) {
        return refused(not_found("conversation or contact", "/to"));
    }
    if state.reply_is_known == 0 {
        return refused(Error::invalid(
            "/replyTo",
            "is not a message of this conversation",
        ));
    }
    if let Some(window_ms) = accept.window_ms {
        let closed_at = state
            .last_inbound_at
            .map(|at| Timestamp::from_ms(at).plus_ms(window_ms));
        if closed_at.is_none_or(|at| at <= accept.now) {
            return refused(Error::WindowClosed { closed_at });
        }
    }
    Err(Error::Unavailable)
}

fn may_send(key: &Key) -> Result<(), Error> {
    if key.may(Scope::MessagesSend) {
        Ok(())
    } else {
        Err(Error::MissingScope(Scope::MessagesSend))
    }
}

fn adapter_of(channel: &Channel) -> Result<&'static dyn Adapter, Error> {
    adapter(channel.kind).ok_or(Error::Internal)
}

fn check(adapter: &dyn Adapter, send: &Send, now: Timestamp) -> Result<(), Error> {
    adapter.profile().check(&send.content).map_err(|invalid| {
        Error::invalid(format!("/content{}", invalid.pointer), invalid.detail)
    })?;
    if send.expires_at.is_some_and(|at| at <= now) {
        return Err(Error::invalid("/expiresAt", "must lie in the future"));
    }
    Ok(())
}

fn not_found(what: &'static str, pointer: &str) -> Error {
    Error::NotFound {
        what,
        pointer: Some(pointer.to_owned()),
    }
}
