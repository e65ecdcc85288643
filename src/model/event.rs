//! What subscribers are told.

use super::message::DeliveryStatus;
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
    #[serde(rename = "message.edited")]
    MessageEdited,
    #[serde(rename = "message.deleted")]
    MessageDeleted,
    #[serde(rename = "message.reaction")]
    MessageReaction,
    #[serde(rename = "conversation.created")]
    ConversationCreated,
    #[serde(rename = "conversation.updated")]
    ConversationUpdated,
    #[serde(rename = "conversation.handover")]
    ConversationHandover,
    #[serde(rename = "channel.updated")]
    ChannelUpdated,
    #[serde(rename = "template.updated")]
    TemplateUpdated,
    #[serde(rename = "contact.merged")]
    ContactMerged,
    #[serde(rename = "webhook.disabled")]
    WebhookDisabled,
}

impl EventType {
    pub const ALL: [EventType; 16] = [
        EventType::MessageReceived,
        EventType::MessageSent,
        EventType::MessageDelivered,
        EventType::MessageRead,
        EventType::MessageFailed,
        EventType::MessageUnknown,
        EventType::MessageEdited,
        EventType::MessageDeleted,
        EventType::MessageReaction,
        EventType::ConversationCreated,
        EventType::ConversationUpdated,
        EventType::ConversationHandover,
        EventType::ChannelUpdated,
        EventType::TemplateUpdated,
        EventType::ContactMerged,
        EventType::WebhookDisabled,
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
            EventType::MessageEdited => "message.edited",
            EventType::MessageDeleted => "message.deleted",
            EventType::MessageReaction => "message.reaction",
            EventType::ConversationCreated => "conversation.created",
            EventType::ConversationUpdated => "conversation.updated",
            EventType::ConversationHandover => "conversation.handover",
            EventType::ChannelUpdated => "channel.updated",
            EventType::TemplateUpdated => "template.updated",
            EventType::ContactMerged => "contact.merged",
            EventType::WebhookDisabled => "webhook.disabled",
        }
    }

    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|event| event.name() == name)
    }

    /// The status whose reaching it tells of.
    #[must_use]
    pub fn status(self) -> Option<DeliveryStatus> {
        match self {
            EventType::MessageSent => Some(DeliveryStatus::Sent),
            EventType::MessageDelivered => Some(DeliveryStatus::Delivered),
            EventType::MessageRead => Some(DeliveryStatus::Read),
            EventType::MessageFailed => Some(DeliveryStatus::Failed),
            EventType::MessageUnknown => Some(DeliveryStatus::Unknown),
            EventType::MessageReceived
            | EventType::MessageEdited
            | EventType::MessageDeleted
            | EventType::MessageReaction
            | EventType::ConversationCreated
            | EventType::ConversationUpdated
            | EventType::ConversationHandover
            | EventType::ChannelUpdated
            | EventType::TemplateUpdated
            | EventType::ContactMerged
            | EventType::WebhookDisabled => None,
        }
    }

    /// Whether `filter` means this event: `*`, a family such as `message.*`, or its name.
    #[must_use]
    pub fn is_meant_by(self, filter: &str) -> bool {
        let name = self.name();
        let is_family = |family: &str| family.ends_with('.') && name.starts_with(family);
        filter == "*" || filter == name || filter.strip_suffix('*').is_some_and(is_family)
    }

    /// Whether `filter` means any event at all.
    #[must_use]
    pub fn is_filter(filter: &str) -> bool {
        EventType::ALL.iter().any(|event| event.is_meant_by(filter))
    }
}

/// Whose form an event takes for a subscriber, by wire name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Style {
    #[default]
    Standard,
    Visito,
    Chatt2me,
    Cloove,
}

impl Style {
    pub const ALL: [Style; 4] = [
        Style::Standard,
        Style::Visito,
        Style::Chatt2me,
        Style::Cloove,
    ];

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Style::Standard => "standard",
            Style::Visito => "visito",
            Style::Chatt2me => "chatt2me",
            Style::Cloove => "cloove",
        }
    }

    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|style| style.name() == name)
    }

    /// Whether the style has a form for an event. Endpoints are not told of one that
    /// has none.
    #[must_use]
    pub fn tells(self, event: EventType) -> bool {
        match self {
            Style::Standard | Style::Cloove => true,
            Style::Visito => !matches!(
                event,
                EventType::ConversationHandover
                    | EventType::ChannelUpdated
                    | EventType::TemplateUpdated
                    | EventType::ContactMerged
                    | EventType::WebhookDisabled
            ),
            Style::Chatt2me => match event {
                EventType::MessageReceived
                | EventType::MessageSent
                | EventType::MessageDelivered
                | EventType::MessageRead
                | EventType::MessageFailed => true,
                EventType::MessageUnknown
                | EventType::MessageEdited
                | EventType::MessageDeleted
                | EventType::MessageReaction
                | EventType::ConversationCreated
                | EventType::ConversationUpdated
                | EventType::ConversationHandover
                | EventType::ChannelUpdated
                | EventType::TemplateUpdated
                | EventType::ContactMerged
                | EventType::WebhookDisabled => false,
            },
        }
    }
}

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

    #[test]
    fn styles_and_events_are_read_by_the_names_they_give_themselves() {
        for style in Style::ALL {
            assert_eq!(Style::parse(style.name()), Some(style));
            assert_eq!(serde_json::to_value(style).expect("a name"), style.name());
        }
        assert_eq!(Style::parse("Standard"), None);
        for event in EventType::ALL {
            assert_eq!(EventType::parse(event.name()), Some(event));
            assert!(event.is_meant_by(event.name()));
        }
    }
}
