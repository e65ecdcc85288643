//! Accepting a message: what is planned, and one batch in which the message row carries every
//! guard and everything after it hangs on that row.

mod batch;

pub use batch::{explain, follow, insert, tell_created, tell_sent};

use super::{Value, merges};
use crate::model::contact::{Address, IdentityKind};
use crate::model::id::{
    ChannelId, ContactId, ConversationId, EventId, KeyId, MessageId, TemplateId, WorkspaceId,
};
use crate::model::message::Actor;
use crate::model::time::Timestamp;
use serde::Serialize;

/// Where a message goes.
#[derive(Clone, Debug)]
pub enum Target {
    /// One that is there.
    Conversation {
        id: ConversationId,
        found_by: FoundBy,
    },
    /// An address, which may be new: then these ids are given to its contact
    /// and conversation.
    Address {
        address: Address,
        kind: IdentityKind,
        new_conversation: ConversationId,
        new_contact: ContactId,
    },
}

/// What was asked for where a conversation was found. It must still be what is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FoundBy {
    Id,
    Address(Address),
    /// The newest of the contact that this id stands for.
    Contact {
        id: String,
        among: Among,
    },
}

/// Which of a contact's conversations are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Among {
    All,
    /// Those on channels of the same type.
    Type,
    /// Those on the same channel.
    Channel,
}

impl FoundBy {
    /// What must hold of the conversation `c` on the channel `h`, over a parameter, and its
    /// value.
    fn holds(&self, parameter: &str) -> (String, Option<Value>) {
        match self {
            FoundBy::Id => (String::new(), None),
            FoundBy::Address(address) => {
                let value = Value::from(address.0.as_str());
                (format!(" AND c.address = {parameter}"), Some(value))
            }
            FoundBy::Contact { id, among } => {
                let contact = merges::surviving("c.workspace_id", parameter);
                let among = match among {
                    Among::All => "",
                    Among::Type => " AND y.type = h.type",
                    Among::Channel => " AND y.id = h.id",
                };
                let holds = format!(
                    " AND c.contact_id = {contact} AND NOT EXISTS (
                       SELECT 1 FROM conversation x INDEXED BY conversation_contact
                       CROSS JOIN channel y ON y.id = x.channel_id AND y.deleted_at IS NULL{among}
                       WHERE x.workspace_id = c.workspace_id AND x.contact_id = c.contact_id
                         AND (x.last_activity_at, x.id) > (c.last_activity_at, c.id))"
                );
                (holds, Some(Value::from(id.as_str())))
            }
        }
    }
}

/// Which other message a message is about: it answers it, or does something to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefersTo {
    Nothing,
    /// One of the conversation.
    Message(MessageId),
    /// The customer's last, if it is among the newest of the conversation.
    LastReceived,
}

/// How many of a conversation's newest messages the customer's last is looked for in.
const NEWEST: i64 = 100;

/// The id of the customer's last message in a conversation `c`.
fn last_received() -> String {
    format!(
        "(SELECT l.id FROM message l WHERE l.conversation_id = c.id AND l.seq > c.last_seq - {NEWEST}
           AND l.direction = 'inbound' ORDER BY l.seq DESC LIMIT 1)"
    )
}

/// A further message that a content became, behind the first.
#[derive(Clone, Debug, Serialize)]
pub struct Part {
    pub id: MessageId,
    pub content: String,
    /// As `Accept::event`, of this part.
    pub event: EventId,
}

/// A message as planned, with what must hold for it to be accepted.
#[derive(Clone, Debug)]
pub struct Accept {
    pub id: MessageId,
    pub workspace_id: WorkspaceId,
    pub key_id: KeyId,
    pub channel_id: ChannelId,
    /// The channel's version that the plan was made with.
    pub channel_version: i64,
    pub target: Target,
    pub content: String,
    /// Messages that follow it at once, made with it or not at all.
    pub parts: Vec<Part>,
    /// What was changed about the content, as JSON.
    pub adapted: Option<String>,
    /// What was numbered in it, as JSON; only of a content that was changed.
    pub choices: Option<String>,
    /// The template it is and the version that was filled.
    pub template: Option<(TemplateId, i64)>,
    /// The name of the contact, if it is made for this message.
    pub contact_name: Option<String>,
    /// There is no provider: what is accepted is sent.
    pub is_local: bool,
    /// The id of the event that tells of it where it is sent at once, and where it is
    /// scheduled of the conversation it makes.
    pub event: EventId,
    pub actor: Actor,
    pub refers_to: RefersTo,
    /// The field of the request that names that message.
    pub refers_by: &'static str,
    pub metadata: Option<String>,
    pub client_message_id: Option<String>,
    pub fingerprint: String,
    pub scheduled_at: Option<Timestamp>,
    pub expires_at: Option<Timestamp>,
    /// How long ago the customer's last message may lie; `None` any time.
    pub window_ms: Option<i64>,
    /// Method, path and idempotency key.
    pub scope: Option<String>,
    pub now: Timestamp,
}

impl Accept {
    fn named_message(&self) -> Option<MessageId> {
        match self.refers_to {
            RefersTo::Message(id) => Some(id),
            RefersTo::Nothing | RefersTo::LastReceived => None,
        }
    }

    /// Whether accepting it sends it.
    #[must_use]
    pub fn is_sent_at_once(&self) -> bool {
        self.is_local && self.scheduled_at.is_none()
    }

    /// The address that a conversation may have to be made for.
    pub fn new_address(&self) -> Option<Address> {
        self.address().map(|(address, ..)| address.clone())
    }

    fn address(&self) -> Option<(&Address, IdentityKind, ConversationId, ContactId)> {
        match &self.target {
            Target::Conversation { .. } => None,
            Target::Address {
                address,
                kind,
                new_conversation,
                new_contact,
            } => Some((address, *kind, *new_conversation, *new_contact)),
        }
    }
}
