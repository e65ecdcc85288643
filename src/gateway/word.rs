//! What a provider said of a message before its client was answered.

use crate::channel::adapter;
use crate::model::message::MessageRecord;
use crate::store::{self, DatabaseError};
use serde::Deserialize;

/// A provider's word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Word {
    Sent,
    Rejected {
        message: String,
        provider_code: Option<String>,
    },
    /// It is to be asked again, or may or may not have sent the message.
    Unsettled,
}

impl Word {
    /// What an attempt came to, as the client that waited for it is told.
    pub(super) fn of(outcome: &str, detail: Option<String>, provider_code: Option<String>) -> Self {
        match outcome {
            "sent" => Word::Sent,
            "rejected" => Word::Rejected {
                message: detail.unwrap_or_default(),
                provider_code,
            },
            _ => Word::Unsettled,
        }
    }
}

/// A row of `messages::get_sent`.
#[derive(Deserialize)]
pub(super) struct Sent {
    record: String,
    /// Of the request that made the message: a replay reads from it the same word, whatever
    /// became of the message since.
    first_attempt: Option<String>,
}

impl Sent {
    pub fn read(&self) -> Result<(MessageRecord, Option<Word>), DatabaseError> {
        #[derive(Deserialize)]
        struct Attempt {
            outcome: String,
            provider_code: Option<String>,
            detail: Option<String>,
        }
        let message: MessageRecord = store::record(&self.record)?;
        let is_local = |message: &MessageRecord| {
            let adapter = adapter(message.channel_type);
            message.times.scheduled_at.is_none() && adapter.is_some_and(|it| it.profile().is_local)
        };
        let attempt: Option<Attempt> = match &self.first_attempt {
            Some(json) => Some(store::record(json)?),
            None => None,
        };
        let word = match attempt {
            None => is_local(&message).then_some(Word::Sent),
            Some(attempt) => Some(Word::of(
                &attempt.outcome,
                attempt.detail,
                attempt.provider_code,
            )),
        };
        Ok((message, word))
    }
}
