//! Why a request is refused, by situation. HTTP appears only in `api`.

use super::NotStored;
use crate::channel::Invalid;
use crate::model::access::Scope;
use crate::model::time::Timestamp;
use crate::store::DatabaseError;

#[derive(Clone, Debug)]
pub enum Error {
    InvalidKey,
    ExpiredKey,
    /// A visitor of a web chat did not prove who they are; what is missing, and where.
    Unproven {
        detail: &'static str,
        pointer: Option<String>,
    },
    MissingScope(Scope),
    /// More requests a minute than the key may make.
    RateLimited,
    /// Nothing of that id is this workspace's; with the field that named it.
    NotFound {
        what: &'static str,
        pointer: Option<String>,
    },
    Invalid(Vec<Invalid>),
    /// `from` names no channel, or not one alone; what is wrong with it.
    UnknownSender(&'static str),
    /// The channel cannot carry this content.
    UnsupportedContent(Invalid),
    /// No template of that name may be sent; with the field that named it.
    TemplateNotApproved(Invalid),
    /// What is given does not fill the template's placeholders.
    TemplateMismatch(Invalid),
    /// The person asked for no more messages.
    OptedOut {
        at: Timestamp,
    },
    WindowClosed {
        closed_at: Option<Timestamp>,
    },
    ChannelUnavailable {
        why: &'static str,
    },
    /// The idempotency key was used with another body.
    KeyReused,
    /// The first request under this idempotency key is still running.
    InProgress,
    Conflict {
        detail: &'static str,
        pointer: Option<String>,
    },
    /// The provider refused what it was asked for the client's sake; its own words.
    ProviderRejected {
        message: String,
        provider_code: Option<String>,
    },
    /// The provider gave no answer that could be used.
    ProviderSilent,
    /// A file is larger than files may be.
    TooLarge,
    /// The deployment has no bucket for files.
    NoBucket,
    /// The page that asks is of a site that may not.
    OriginNotAllowed,
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

    /// The token of a visitor is none, or there is none.
    #[must_use]
    pub fn unknown_visitor() -> Self {
        Error::Unproven {
            detail: "The visitor's token is missing, malformed or unknown; open a session.",
            pointer: None,
        }
    }

    #[must_use]
    pub fn not_found(what: &'static str) -> Self {
        Error::NotFound {
            what,
            pointer: None,
        }
    }

    /// The provider's own code, where it refused.
    #[must_use]
    pub fn provider_code(&self) -> Option<&str> {
        if let Error::ProviderRejected { provider_code, .. } = self {
            provider_code.as_deref()
        } else {
            None
        }
    }

    /// The same error where a surface spells its fields in another way.
    #[must_use]
    pub fn repointed(self, to: impl Fn(&str) -> String) -> Self {
        let field = |field: Invalid| Invalid {
            pointer: to(&field.pointer),
            ..field
        };
        // A field that the surface does not have is not pointed at.
        let optional = |pointer: Option<String>| {
            let pointer = pointer.map(|pointer| to(&pointer));
            pointer.filter(|pointer| !pointer.is_empty())
        };
        match self {
            Error::Invalid(fields) => Error::Invalid(fields.into_iter().map(field).collect()),
            Error::UnsupportedContent(of) => Error::UnsupportedContent(field(of)),
            Error::TemplateNotApproved(of) => Error::TemplateNotApproved(field(of)),
            Error::TemplateMismatch(of) => Error::TemplateMismatch(field(of)),
            Error::NotFound { what, pointer } => Error::NotFound {
                what,
                pointer: optional(pointer),
            },
            Error::Conflict { detail, pointer } => Error::Conflict {
                detail,
                pointer: optional(pointer),
            },
            Error::Unproven { detail, pointer } => Error::Unproven {
                detail,
                pointer: optional(pointer),
            },
            Error::InvalidKey
            | Error::ExpiredKey
            | Error::MissingScope(_)
            | Error::RateLimited
            | Error::UnknownSender(_)
            | Error::OptedOut { .. }
            | Error::WindowClosed { .. }
            | Error::ChannelUnavailable { .. }
            | Error::KeyReused
            | Error::InProgress
            | Error::ProviderRejected { .. }
            | Error::ProviderSilent
            | Error::OriginNotAllowed
            | Error::TooLarge
            | Error::NoBucket
            | Error::Unavailable
            | Error::Internal => self,
        }
    }
}

impl From<NotStored> for Error {
    fn from(error: NotStored) -> Self {
        match error {
            NotStored::TooLarge => Error::TooLarge,
            NotStored::Broken => Error::invalid("", "did not arrive whole"),
            NotStored::Unavailable => Error::Unavailable,
        }
    }
}

impl From<DatabaseError> for Error {
    fn from(_: DatabaseError) -> Self {
        Error::Unavailable
    }
}
