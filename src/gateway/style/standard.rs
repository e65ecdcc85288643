//! The body that goes with Standard Webhooks: everything, as the native API shows it.

use super::Event;
use crate::gateway::view;
use crate::model::id::WorkspaceId;
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
    channel: view::ChannelSummary,
    conversation: view::Conversation,
    contact: view::Contact,
    message: Option<view::Message>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reaction: Option<view::Reaction>,
}

pub fn body(event: Event) -> Body {
    let snapshot = event.snapshot;
    let conversation = view::Conversation::of(snapshot.conversation, event.at);
    Body {
        kind: event.kind.name(),
        timestamp: event.at,
        data: Data {
            workspace_id: event.workspace_id,
            channel: snapshot.channel,
            contact: conversation.contact.clone(),
            conversation,
            message: snapshot.message.map(view::Message::from),
            reaction: snapshot.reaction.map(view::Reaction::from),
        },
    }
}
