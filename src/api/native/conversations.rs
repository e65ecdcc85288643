//! `/v1/conversations`.

use super::super::page::{Listed, Paging};
use super::{Answer, Call, choice, id, json_response, parse, wire};
use crate::gateway::{ConversationFilter, Gateway, Ports};
use crate::model::access::{Key, Scope};
use crate::model::conversation::{ConversationStatus, Mode};
use crate::model::id::{ChannelId, ConversationId};
use http::StatusCode;

#[derive(Clone, Copy, Debug)]
pub enum Action {
    List,
    Show,
    Patch,
    Read,
}

impl Action {
    pub fn scope(self) -> Scope {
        match self {
            Action::List | Action::Show => Scope::ConversationsRead,
            Action::Patch | Action::Read => Scope::ConversationsWrite,
        }
    }
}

pub async fn handle<P: Ports>(
    gateway: &Gateway<P>,
    action: Action,
    call: &Call<'_>,
    key: &Key,
) -> Answer {
    let conversation = || id(call, ConversationId::parse, "conversation");
    let conversation = match action {
        Action::List => return list(gateway, call, key).await,
        Action::Show => gateway.conversation(key, conversation()?).await?,
        Action::Patch => {
            let patch = wire::patch_conversation(parse(call)?)?;
            gateway
                .patch_conversation(key, conversation()?, &patch)
                .await?
        }
        Action::Read => gateway.mark_conversation_read(key, conversation()?).await?,
    };
    Ok(json_response(StatusCode::OK, &conversation))
}

async fn list<P: Ports>(gateway: &Gateway<P>, call: &Call<'_>, key: &Key) -> Answer {
    let paging = Paging::of(call)?;
    let filter = ConversationFilter {
        status: choice(call, "status", ConversationStatus::parse)?,
        mode: choice(call, "mode", Mode::parse)?,
        channel_id: choice(call, "channelId", ChannelId::parse)?,
        assigned: call.query("assigned"),
        search: call.query("search"),
    };
    let page = gateway
        .list_conversations(key, &filter, paging.cursor.as_deref(), paging.limit)
        .await?;
    Ok(json_response(StatusCode::OK, &Listed::from(page)))
}
