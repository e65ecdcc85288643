//! The body that goes with Standard Webhooks: everything, as the native API shows it.

use super::Event;
use crate::gateway::view::{self, KnownContact};
use crate::model::id::{ContactId, WorkspaceId};
use crate::model::time::Timestamp;
use serde::Serialize;

#[derive(Serialize)]
pub struct Body {
    #[serde(rename = "type")]
    kind: &'static str,
    timestamp: Timestamp,
    data: Data,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Data {
    workspace_id: WorkspaceId,
    #[serde(skip_serializing_if = "Option::is_none")]
    channel: Option<view::ChannelSummary>,
    #[serde(flatten)]
    talk: Option<Talk>,
    /// The one that is left of two.
    #[serde(skip_serializing_if = "Option::is_none")]
    contact: Option<KnownContact>,
    #[serde(skip_serializing_if = "Option::is_none")]
    merged_contact_id: Option<ContactId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reaction: Option<view::Reaction>,
    #[serde(flatten)]
    told: view::Told,
}

/// Of an event about a conversation, or about a message in it.
#[derive(Serialize)]
struct Talk {
    conversation: view::Conversation,
    contact: view::Contact,
    message: Option<view::Message>,
}

pub fn body(event: Event) -> Body {
    let snapshot = event.snapshot;
    let message = snapshot.message.map(view::Message::from);
    let talk = snapshot.conversation.map(|record| {
        let conversation = view::Conversation::of(record, event.at);
        Talk {
            contact: conversation.contact.clone(),
            conversation,
            message,
        }
    });
    Body {
        kind: event.kind.name(),
        timestamp: event.at,
        data: Data {
            workspace_id: event.workspace_id,
            channel: snapshot.channel,
            talk,
            contact: snapshot.contact.map(KnownContact::from),
            merged_contact_id: snapshot.merged_contact_id,
            reaction: snapshot.reaction.map(view::Reaction::from),
            told: snapshot.told,
        },
    }
}
