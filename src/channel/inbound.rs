//! What providers tell us, in the form every channel shares.

use super::{FileRef, Reason};
use crate::model::contact::{Address, Identity};
use crate::model::content::Content;
use crate::model::id::MessageId;
use crate::model::message::DeliveryStatus;
use crate::model::time::Timestamp;
use serde_json::Value;

/// One thing a provider told us, in the form every channel shares.
#[derive(Clone, Debug, PartialEq)]
pub enum Inbound {
    Message(InboundMessage),
    /// What the business wrote elsewhere; `from` is whom it is to.
    Echo(InboundMessage),
    Status(StatusReport),
    Watermark(Watermark),
    Change(Change),
    Consent(Consent),
    NumberChange(NumberChange),
    Template(TemplateReport),
    Notice(Notice),
    Handover(Handover),
    /// Understood well enough to leave alone; named for the log.
    Ignored(String),
}

#[derive(Clone, Debug, PartialEq)]
pub struct InboundMessage {
    pub provider_message_id: String,
    pub from: Sender,
    /// The provider's time; `None` when it gave none that can be.
    pub sent_at: Option<Timestamp>,
    pub content: Content,
    /// Where its file is, if the content is one.
    pub file: Option<FileRef>,
    /// The provider's id of the message this one answers.
    pub reply_to: Option<String>,
    /// What the provider tells beside it, such as the advertisement that led to it.
    pub metadata: Option<Value>,
}

/// Who wrote, and where an answer goes.
#[derive(Clone, Debug, PartialEq)]
pub struct Sender {
    pub address: Address,
    pub name: Option<String>,
    /// Every identity the provider gave; the one of `address` first.
    pub identities: Vec<Identity>,
}

/// How far a message has come, as the provider reports it.
#[derive(Clone, Debug, PartialEq)]
pub struct StatusReport {
    pub provider_message_id: String,
    /// Our own id, where the provider hands it back.
    pub message_id: Option<MessageId>,
    /// One of `sent`, `delivered`, `read`, `failed`.
    pub status: DeliveryStatus,
    pub at: Option<Timestamp>,
    pub error: Option<Reason>,
    /// What the provider charges for it.
    pub pricing: Option<Value>,
}

/// What became of a message after it was sent.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// Of the message that changed.
    pub provider_message_id: String,
    /// What tells it from other changes of that message; a repeat has the same.
    pub key: String,
    pub at: Option<Timestamp>,
    pub what: Changed,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Changed {
    /// What it says now. Of a file the caption alone may be told, as a text.
    Edited(Content),
    Deleted,
    /// The emoji; the empty one takes it back.
    Reaction(String),
}

/// Whether somebody wants to be written to, as they last said.
#[derive(Clone, Debug, PartialEq)]
pub struct Consent {
    pub address: Address,
    pub is_given: bool,
    pub at: Option<Timestamp>,
}

/// Somebody on WhatsApp has another number now.
#[derive(Clone, Debug, PartialEq)]
pub struct NumberChange {
    /// What they are known as, one or more.
    pub known_as: Vec<String>,
    pub number: String,
}

/// A report that names no message: all that somebody was sent up to a moment has come so
/// far.
#[derive(Clone, Debug, PartialEq)]
pub struct Watermark {
    pub address: Address,
    /// `delivered` or `read`.
    pub status: DeliveryStatus,
    pub up_to: Timestamp,
}

/// What became of a template at its provider.
#[derive(Clone, Debug, PartialEq)]
pub struct TemplateReport {
    /// What the provider calls the account whose template it is.
    pub account: Option<String>,
    pub provider_id: String,
    pub name: String,
    /// The provider's word; `None` where it is not told.
    pub status: Option<String>,
    pub category: Option<String>,
    /// The provider's code for why.
    pub reason: Option<String>,
}

/// What a provider tells of an account that messages are sent from.
#[derive(Clone, Debug, PartialEq)]
pub struct Notice {
    /// What the provider calls the account all of whose channels it concerns; `None` where it
    /// is the one channel alone.
    pub account: Option<String>,
    /// Of those channels, the one with this number.
    pub number: Option<String>,
    /// The provider's name for it, such as `account_update`.
    pub name: String,
    pub effect: Effect,
    /// What is wrong, in the provider's word.
    pub code: String,
    /// What the provider says of it.
    pub value: Value,
    pub at: Option<Timestamp>,
}

/// What a notice means for a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Nothing: it is told.
    Tells,
    /// Something is wrong, and messages go all the same.
    Warns,
    /// The provider takes no messages until it says otherwise.
    Blocks,
    /// It takes them again.
    Restores,
}

impl Effect {
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Effect::Tells => "tells",
            Effect::Warns => "warns",
            Effect::Blocks => "blocks",
            Effect::Restores => "restores",
        }
    }
}

/// A conversation that goes from one app of the account to another.
#[derive(Clone, Debug, PartialEq)]
pub struct Handover {
    pub person: Sender,
    /// `passed`, `taken` or `requested`.
    pub kind: &'static str,
    pub from_app: Option<String>,
    pub to_app: Option<String>,
    pub metadata: Option<String>,
    pub at: Option<Timestamp>,
}
