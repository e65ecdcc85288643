//! Why a request is refused, by situation. HTTP appears only in `api`.

use crate::channel::Invalid;
use crate::model::access::Scope;
use crate::model::time::Timestamp;
use crate::store::DatabaseError;

#[derive(Clone, Debug)]
pub enum Error {
    InvalidKey,
    ExpiredKey,
    MissingScope(Scope),
    /// More requests a minute than the key may make.
    RateLimited,
    /// Nothing of that id is this workspace's; with the field that named it.
    NotFound {
        what: &'static str,
        pointer: Option<String>,
    },
    Invalid(Vec<Invalid>),
    /// The channel cannot carry this content.
    UnsupportedContent(Invalid),
    WindowClosed {
        closed_at: Option<Timestamp>,
    },
    ChannelUnavailable {
        why: &'static str,
    },
    /// The idempotency key was used with another body.
    KeyReused,
    Conflict {
        detail: &'static str,
        pointer: Option<String>,
    },
    /// The database did not answer; nothing is half-done.
    Unavailable,
    /// A defect of ours.
    Internal,
}

impl Error {
    #[must_use]
    pub fn invalid(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Error::Invalid(vec![Invalid::new(pointer, detail)])
    }

    #[must_use]
    pub fn not_found(what: &'static str) -> Self {
        Error::NotFound {
            what,
            pointer: None,
        }
    }
}

impl From<DatabaseError> for Error {
    fn from(_: DatabaseError) -> Self {
        Error::Unavailable
    }
}
