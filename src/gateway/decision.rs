//! What comes of accepting a message: it is there, or was before, or may not be, and why.

use super::Error;
use super::send::Accepted;
use super::word::Sent;
use crate::model::channel::ChannelStatus;
use crate::model::time::Timestamp;
use crate::store::Rows;
use crate::store::accept::{Accept, FoundBy, RefersTo, Target};
use serde::Deserialize;

pub(super) enum Decision {
    Accepted(Accepted),
    Refused(Error),
    /// The plan was made with an older version of the channel or the template.
    PlanChanged,
}

/// Reads `messages::earlier`: the same body is answered again, another refused.
pub(super) fn replay(rows: Rows, fingerprint: &str) -> Result<Option<Decision>, Error> {
    #[derive(Deserialize)]
    struct Earlier {
        by: String,
        fingerprint: String,
        #[serde(flatten)]
        sent: Sent,
    }
    let earlier: Vec<Earlier> = rows.read()?;
    // The key's message comes before the client id's: it is asked first.
    let Some(row) = earlier.into_iter().min_by_key(|row| row.by != "key") else {
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
    let (message, word) = row.sent.read()?;
    Ok(Some(Decision::Accepted(Accepted {
        message: Box::new(message),
        word,
        is_replay: true,
    })))
}

/// What the guards look at.
#[derive(Deserialize)]
pub(super) struct Explained {
    pub key_is_live: i64,
    channel_version: Option<i64>,
    channel_status: Option<ChannelStatus>,
    channel_deleted_at: Option<i64>,
    conversation_id: Option<String>,
    last_inbound_at: Option<i64>,
    opted_out_at: Option<i64>,
    reference_is_known: i64,
    template_is_current: i64,
}

/// Why the guards refuse, in the order a client can act on; `None` where they do not.
pub(super) fn refusal(accept: &Accept, state: &Explained) -> Option<Decision> {
    let refused = |error| Some(Decision::Refused(error));
    // A channel that changed is looked up again: its identifier may be another's now.
    if state.channel_version != Some(accept.channel_version) {
        return Some(Decision::PlanChanged);
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
    if state.template_is_current == 0 {
        return Some(Decision::PlanChanged);
    }
    if state.conversation_id.is_none() {
        match accept.target {
            Target::Conversation {
                found_by: FoundBy::Id,
                ..
            } => {
                return refused(not_found("conversation or contact", "/to"));
            }
            // It is another now, or none.
            Target::Conversation { .. } => return Some(Decision::PlanChanged),
            // Nobody can be written to on a web chat who never opened it.
            Target::Address { .. } if accept.is_local => {
                return refused(not_found("visitor", "/to"));
            }
            Target::Address { .. } => {}
        }
    }
    if state.reference_is_known == 0 {
        return refused(unknown_reference(accept));
    }
    if let Some(at) = state.opted_out_at {
        return refused(Error::OptedOut {
            at: Timestamp::from_ms(at),
        });
    }
    if let Some(window_ms) = accept.window_ms {
        let closed_at = state
            .last_inbound_at
            .map(|at| Timestamp::from_ms(at).plus_ms(window_ms));
        if closed_at.is_none_or(|at| at <= accept.now) {
            return refused(Error::WindowClosed { closed_at });
        }
    }
    None
}

/// A message that is about another, which is not there.
fn unknown_reference(accept: &Accept) -> Error {
    let detail = if accept.refers_to == RefersTo::LastReceived {
        "is required: the customer wrote nothing of late"
    } else {
        "is not a message of this conversation"
    };
    Error::invalid(accept.refers_by, detail)
}

pub(super) fn not_found(what: &'static str, pointer: &str) -> Error {
    Error::NotFound {
        what,
        pointer: Some(pointer.to_owned()),
    }
}
