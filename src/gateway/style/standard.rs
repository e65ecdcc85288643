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
    #[serde(skip_serializing_if = "Option::is_none")]
    conversation: Option<view::Conversation>,
    #[serde(skip_serializing_if = "Option::is_none")]
    contact: Option<Contact>,
    #[serde(skip_serializing_if = "Option::is_none")]
    merged_contact_id: Option<ContactId>,
    message: Option<view::Message>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reaction: Option<view::Reaction>,
}

/// A contact as its conversation knows it, or in full.
#[derive(Serialize)]
#[serde(untagged)]
enum Contact {
    OfConversation(view::Contact),
    Known(KnownContact),
}

pub fn body(event: Event) -> Body {
    let snapshot = event.snapshot;
    let conversation = snapshot.conversation;
    let conversation = conversation.map(|record| view::Conversation::of(record, event.at));
    let known = snapshot.contact.map(KnownContact::from).map(Contact::Known);
    Body {
        kind: event.kind.name(),
        timestamp: event.at,
        data: Data {
            workspace_id: event.workspace_id,
            channel: snapshot.channel,
            contact: known.or_else(|| {
                let of = conversation.as_ref()?;
                Some(Contact::OfConversation(of.contact.clone()))
            }),
            conversation,
            merged_contact_id: snapshot.merged_contact_id,
            message: snapshot.message.map(view::Message::from),
            reaction: snapshot.reaction.map(view::Reaction::from),
        },
    }
}
