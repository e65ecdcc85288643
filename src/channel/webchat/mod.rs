//! Web chat: our own, with no provider behind it. A message is sent as soon as it is
//! accepted; visitors fetch it.

mod profile;

use super::{Entry, Inbound, Invalid, Origins, Outbound, Profile, Reason, SendError, Unverified};
use crate::model::channel::{Channel, ChannelKind, Credentials};
use crate::model::contact::{Address, IdentityKind};
use bytes::Bytes;
use http::{Request, Response};
use uuid::Uuid;

pub struct Adapter;

impl super::Adapter for Adapter {
    fn kind(&self) -> ChannelKind {
        ChannelKind::Webchat
    }

    fn profile(&self) -> &'static Profile {
        &profile::PROFILE
    }

    fn credential_names(&self) -> &'static [&'static str] {
        &[]
    }

    /// The key under which a site proves who its visitors are.
    fn optional_credential_names(&self) -> &'static [&'static str] {
        &["identitySecret"]
    }

    /// The public key, which the gateway makes, names it.
    fn default_identifier(&self, _: &Credentials) -> Option<String> {
        None
    }

    fn identifier(&self, raw: &str) -> Result<String, Invalid> {
        let name = raw.trim();
        let is_name = !name.trim_start_matches(['@', '+']).is_empty()
            && name.chars().count() <= 100
            && !name.contains(char::is_control);
        if is_name {
            Ok(name.to_owned())
        } else {
            Err(Invalid::new(
                "",
                "must be a name of 1 to 100 characters on one line",
            ))
        }
    }

    /// A visitor's id.
    fn recipient(&self, raw: &str) -> Result<Address, Invalid> {
        let raw = raw.trim();
        let id = Uuid::try_parse(raw).ok().filter(|_| raw.len() == 36);
        id.map(|id| Address(id.hyphenated().to_string()))
            .ok_or_else(|| Invalid::new("", "must be the id of a visitor"))
    }

    fn identity_kind(&self) -> IdentityKind {
        IdentityKind::Visitor
    }

    fn probe(&self, _: &Origins, _: &Channel) -> Option<Request<Bytes>> {
        None
    }

    fn request(&self, _: &Origins, _: &Outbound<'_>) -> Result<Request<Bytes>, SendError> {
        Err(nobody())
    }

    fn accepted(&self, _: &Response<Bytes>) -> Result<Option<String>, SendError> {
        Err(nobody())
    }

    fn verify(&self, _: &Channel, _: &str, _: &Request<Bytes>) -> Result<(), Unverified> {
        Err(Unverified)
    }

    fn inbound(&self, _: &Request<Bytes>) -> Vec<Entry> {
        vec![Entry::from(Inbound::Ignored(
            "nobody posts for a web chat".to_owned(),
        ))]
    }
}

fn nobody() -> SendError {
    SendError::Rejected(Reason {
        code: "channel_unavailable",
        provider_code: None,
        message: "A web chat has no provider to call.".to_owned(),
    })
}
