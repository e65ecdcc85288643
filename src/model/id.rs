//! Identifiers: UUIDv7, so that rows made later sort later. Opaque to clients.

use super::time::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt;
use uuid::Uuid;

/// Makes ids from a moment and randomness that the caller hands in.
pub trait Fresh: Sized {
    /// A new id of this moment; `random` must be unpredictable.
    fn fresh(at: Timestamp, random: [u8; 10]) -> Self;
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// Reads the hyphenated form that we write, and no other spelling.
            #[must_use]
            pub fn parse(text: &str) -> Option<Self> {
                if text.len() != 36 {
                    return None;
                }
                Uuid::try_parse(text).ok().map(Self)
            }
        }

        impl Fresh for $name {
            fn fresh(at: Timestamp, random: [u8; 10]) -> Self {
                let ms = u64::try_from(at.ms()).unwrap_or(0);
                Self(uuid::Builder::from_unix_timestamp_millis(ms, &random).into_uuid())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0.hyphenated(), f)
            }
        }
    )+};
}

ids! {
    /// A tenant.
    WorkspaceId,
    /// An API key (not its secret).
    KeyId,
    /// One connected sender.
    ChannelId,
    /// A person.
    ContactId,
    /// A contact on a channel.
    ConversationId,
    /// A message, inbound or outbound.
    MessageId,
    /// A file.
    MediaId,
    /// Something that happened, as told to subscribers.
    EventId,
    /// A subscriber's webhook endpoint.
    EndpointId,
    /// A message template of a channel.
    TemplateId,
    /// Someone who writes on a web chat.
    VisitorId,
}

impl VisitorId {
    /// The visitor that a person is on a channel: the same one whenever the same person
    /// comes, without a look at the database. (Of version 8, for it tells no time.)
    #[must_use]
    pub fn of_user(channel: ChannelId, user_id: &str) -> Self {
        let digest = Sha256::new()
            .chain_update(channel.0.as_bytes())
            .chain_update(user_id)
            .finalize();
        let bytes = std::array::from_fn(|at| digest.get(at).copied().unwrap_or_default());
        Self(uuid::Builder::from_custom_bytes(bytes).into_uuid())
    }
}

/// The smallest id text of a moment: ids made before it sort below.
#[must_use]
pub fn lower_bound(at: Timestamp) -> String {
    let ms = u64::try_from(at.ms()).unwrap_or(0);
    uuid::Builder::from_unix_timestamp_millis(ms, &[0; 10])
        .into_uuid()
        .hyphenated()
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_sort_by_the_moment_they_were_made() {
        let early = MessageId::fresh(Timestamp::from_ms(1_000), [255; 10]).to_string();
        let late = MessageId::fresh(Timestamp::from_ms(1_001), [0; 10]).to_string();
        assert!(early < late);
        assert!(lower_bound(Timestamp::from_ms(1_001)) <= late);
        assert!(early < lower_bound(Timestamp::from_ms(1_001)));
    }

    #[test]
    fn a_person_is_the_same_visitor_of_one_channel_and_another_elsewhere() {
        let channel = |byte| ChannelId::fresh(Timestamp::from_ms(1_000), [byte; 10]);
        let visitor = VisitorId::of_user(channel(1), "user-1");
        assert_eq!(VisitorId::of_user(channel(1), "user-1"), visitor);
        assert_ne!(VisitorId::of_user(channel(1), "user-2"), visitor);
        assert_ne!(VisitorId::of_user(channel(2), "user-1"), visitor);
        assert_eq!(VisitorId::parse(&visitor.to_string()), Some(visitor));
    }

    #[test]
    fn only_the_written_form_is_an_id() {
        let id = MessageId::fresh(Timestamp::from_ms(1_000), [7; 10]);
        assert_eq!(MessageId::parse(&id.to_string()), Some(id));
        assert_eq!(MessageId::parse(&id.to_string().replace('-', "")), None);
        assert_eq!(MessageId::parse("5511999999999"), None);
    }
}
