//! What would become of a message, without sending it.

use super::compose::{Composed, compose};
use super::decision::{Decision, Explained, refusal};
use super::keys::Freshness;
use super::recipient::Found;
use super::send::{Idempotency, Send, adapter_of, may_send_this};
use super::{Error, Gateway, Ports, next};
use crate::channel::Segments;
use crate::model::access::{KeySecret, Scope};
use crate::model::content::Content;
use crate::model::message::Change;
use crate::store::accept;

/// What would become of a message.
#[derive(Default)]
pub struct Validation {
    /// Why it would be refused; none where it would be accepted.
    pub problems: Vec<Error>,
    /// The messages it would become, where they are several.
    pub parts: Vec<Content>,
    pub changes: Vec<Change>,
    /// Where the provider counts a text in segments.
    pub segments: Option<Segments>,
}

impl<P: Ports> Gateway<P> {
    /// Looks at everything a send would: the recipient, the content and its limits, the
    /// template, the channel, the window. Nothing is written and nobody is called.
    ///
    /// Only a key that may not send is an error; all else is a problem that is told.
    pub async fn validate(
        &self,
        secret: &KeySecret,
        send: Result<Send, Error>,
    ) -> Result<Validation, Error> {
        let now = self.now();
        let key = self.authenticate(secret, Freshness::Remembered).await?;
        if !key.may(Scope::MessagesSend) {
            return Err(Error::MissingScope(Scope::MessagesSend));
        }
        let send = match send {
            Ok(send) => send,
            Err(problem) => return Ok(Validation::refused(problem)),
        };
        let none = Idempotency::none();
        let (key, resolved) = match self.resolve(secret, &send, &none, true, now).await {
            Ok(Found::Recipient(key, resolved)) => (key, resolved),
            Ok(Found::Earlier(_)) => return Err(Error::Internal),
            Err(error @ (Error::InvalidKey | Error::ExpiredKey | Error::Unavailable)) => {
                return Err(error);
            }
            Err(problem) => return Ok(Validation::refused(problem)),
        };
        may_send_this(&key, &send)?;
        let mut send = send;
        let linked = self.link_drafted(key.workspace_id, &mut send.content).await;
        if let Err(problem) = linked {
            return Ok(Validation::refused(problem));
        }
        let adapter = adapter_of(&resolved.channel)?;
        let mut validation = Validation::default();
        let composed = compose(adapter, &resolved, &send, now).unwrap_or_else(|problem| {
            validation.problems.push(problem);
            Composed::nothing()
        });
        let told = (composed.contents.clone(), composed.changes.clone());
        let accept = self.plan(&key, &resolved, adapter, &send, composed, &none, now)?;
        let mut rows = self.read(&key, vec![accept::explain(&accept)]).await?;
        let state: Explained = next(&mut rows).first()?.ok_or(Error::Internal)?;
        match refusal(&accept, &state) {
            Some(Decision::Refused(problem)) => validation.problems.push(problem),
            Some(Decision::PlanChanged) => return Err(Error::Unavailable),
            Some(Decision::Accepted(_)) | None => {}
        }
        let (contents, changes) = told;
        validation.segments = match contents.as_slice() {
            [only] => adapter.segments(only),
            _ => None,
        };
        if !changes.is_empty() {
            validation.parts = contents;
            validation.changes = changes;
        }
        Ok(validation)
    }
}

impl Validation {
    fn refused(problem: Error) -> Self {
        Self {
            problems: vec![problem],
            ..Self::default()
        }
    }
}
