//! What subscribers are told.

use serde::{Deserialize, Serialize};

/// The events there are, by their wire names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum EventType {
    #[serde(rename = "message.received")]
    MessageReceived,
    #[serde(rename = "message.sent")]
    MessageSent,
    #[serde(rename = "message.delivered")]
    MessageDelivered,
    #[serde(rename = "message.read")]
    MessageRead,
    #[serde(rename = "message.failed")]
    MessageFailed,
    #[serde(rename = "message.unknown")]
    MessageUnknown,
    #[serde(rename = "conversation.created")]
    ConversationCreated,
    #[serde(rename = "conversation.updated")]
    ConversationUpdated,
}

impl EventType {
    pub const ALL: [EventType; 8] = [
        EventType::MessageReceived,
        EventType::MessageSent,
        EventType::MessageDelivered,
        EventType::MessageRead,
        EventType::MessageFailed,
        EventType::MessageUnknown,
        EventType::ConversationCreated,
        EventType::ConversationUpdated,
    ];

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            EventType::MessageReceived => "message.received",
            EventType::MessageSent => "message.sent",
            EventType::MessageDelivered => "message.delivered",
            EventType::MessageRead => "message.read",
            EventType::MessageFailed => "message.failed",
            EventType::MessageUnknown => "message.unknown",
            EventType::ConversationCreated => "conversation.created",
            EventType::ConversationUpdated => "conversation.updated",
        }
    }

    /// Whether `filter` is `*`, a family such as `message.*`, or one event's name.
    #[must_use]
    pub fn is_filter(filter: &str) -> bool {
        filter == "*"
            || EventType::ALL.iter().any(|event| {
                let name = event.name();
                filter == name
                    || filter
                        .strip_suffix('*')
                        .is_some_and(|family| family.ends_with('.') && name.starts_with(family))
            })
    }
}

/// Events of the contract that nothing emits yet; subscribing to one is refused by name.
pub const NOT_EMITTED: [&str; 8] = [
    "message.edited",
    "message.deleted",
    "message.reaction",
    "conversation.handover",
    "contact.merged",
    "channel.updated",
    "template.updated",
    "webhook.disabled",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_names_families_or_everything() {
        for good in ["*", "message.*", "message.read", "conversation.*"] {
            assert!(EventType::is_filter(good), "{good}");
        }
        for bad in ["", "message", "mess*", "message.nope", "nope.*", ".*", "**"] {
            assert!(!EventType::is_filter(bad), "{bad}");
        }
    }
}
