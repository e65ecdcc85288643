//! Who a message goes to, and by which channel: the forms of `to` and `from`.

use super::send::{Send, adapter_of, may_send, not_found};
use super::{Error, Gateway, Ports, next};
use crate::channel::adapter;
use crate::model::access::{Key, KeySecret};
use crate::model::channel::{Channel, match_key};
use crate::model::contact::Address;
use crate::model::id::{ChannelId, ConversationId};
use crate::model::time::Timestamp;
use crate::store::{self, Rows, channels};
use serde::Deserialize;
use std::rc::Rc;

/// Who is written to, by which channel.
pub(super) struct Recipient {
    pub channel: Rc<Channel>,
    pub to: To,
}

pub(super) enum To {
    Conversation(ConversationId),
    Address(Address),
}

impl<P: Ports> Gateway<P> {
    /// The key and the recipient: from memory when all of it is there, else from
    /// one batch of reads.
    pub(super) async fn resolve(
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
        let id = ConversationId::parse(&send.to).map(|id| id.to_string());
        let is_id = id.is_some();
        if let Some(id) = &id {
            batch.push(channels::sealed_of_recipient(&hash, id, from));
            batch.push(channels::contact_addresses(&hash, id));
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
                    "is not the id or the identifier of a channel",
                ));
            }
            (Some(_), 1) => {
                let only = senders.into_iter().next();
                only.map(|sealed| self.remember_channel(sealed, now))
            }
            (Some(_), _) => {
                return Err(Error::invalid(
                    "/from",
                    "several channels have this identifier; name one by its id",
                ));
            }
        };
        if let (Some(channel), Some((None, match_key))) = (&sender, from) {
            let workspace = key.workspace_id;
            self.memory
                .keep_identifier(workspace, match_key.to_owned(), channel.id, now);
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
        sender: Option<Rc<Channel>>,
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
            let channel = self.remember_channel(sealed.ok_or(Error::Internal)?, now);
            if sender.is_some_and(|sender| sender.id != channel.id) {
                return Err(Error::invalid(
                    "/from",
                    "is not the channel of this conversation",
                ));
            }
            self.memory
                .keep_conversation(key.workspace_id, conversation_id, channel.id, now);
            return Ok(Recipient {
                channel,
                to: To::Conversation(conversation_id),
            });
        }
        let known_as: Vec<KnownAs> = contact.read()?;
        let is_id = ConversationId::parse(&send.to).is_some();
        let Some(channel) = sender else {
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
        let kind = adapter.identity_kind().name();
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
}
