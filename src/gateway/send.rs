//! Accepting a message: plan on what this isolate remembers, commit on what is
//! true. The accept batch carries every guard; its answer explains a refusal.

use super::deliver::Hint;
use super::keys::Freshness;
use super::recipient::{Recipient, To};
use super::{Error, Gateway, Ports, Queue, next};
use crate::channel::{Adapter, adapter};
use crate::model::access::{Key, KeySecret, Scope};
use crate::model::channel::{Channel, ChannelStatus};
use crate::model::content::Content;
use crate::model::conversation::ServiceWindow;
use crate::model::id::{ContactId, MessageId};
use crate::model::message::{Actor, MessageRecord};
use crate::model::time::Timestamp;
use crate::store::messages::{Accept, Target};
use crate::store::{self, Rows, messages};
use serde::Deserialize;

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

pub(super) fn may_send(key: &Key) -> Result<(), Error> {
    if key.may(Scope::MessagesSend) {
        Ok(())
    } else {
        Err(Error::MissingScope(Scope::MessagesSend))
    }
}

pub(super) fn adapter_of(channel: &Channel) -> Result<&'static dyn Adapter, Error> {
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

pub(super) fn not_found(what: &'static str, pointer: &str) -> Error {
    Error::NotFound {
        what,
        pointer: Some(pointer.to_owned()),
    }
}
