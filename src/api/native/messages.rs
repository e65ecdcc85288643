//! `/v1/messages`, and the messages of a conversation.

use super::super::page::{Listed, Paging};
use super::{Answer, Call, auth, choice, id, json_response, parse, wire};
use crate::api::sending::{self, Route};
use crate::gateway::{Error, Freshness, Gateway, MessageFilter, Pace, Ports, view};
use crate::model::access::{Key, Scope};
use crate::model::id::{ChannelId, ConversationId, MessageId};
use crate::model::message::DeliveryStatus;
use crate::model::time::Timestamp;
use http::StatusCode;

#[derive(Clone, Copy, Debug)]
pub enum Action {
    List,
    Show,
    Reschedule,
    Cancel,
    Resolve,
    ListOfConversation,
}

impl Action {
    pub fn scope(self) -> Scope {
        match self {
            Action::List | Action::Show | Action::ListOfConversation => Scope::MessagesRead,
            Action::Reschedule | Action::Cancel | Action::Resolve => Scope::MessagesSend,
        }
    }
}

pub async fn handle<P: Ports>(
    gateway: &Gateway<P>,
    action: Action,
    call: &Call<'_>,
    key: &Key,
) -> Answer {
    let message = || id(call, MessageId::parse, "message");
    let shown = |message| Ok(json_response(StatusCode::OK, &message));
    let conversation_id = match action {
        Action::Show => return shown(gateway.message(key, message()?).await?),
        Action::Reschedule => {
            let at = wire::reschedule(parse(call)?)?;
            return shown(gateway.reschedule(key, message()?, at).await?);
        }
        Action::Cancel => return shown(gateway.cancel(key, message()?).await?),
        Action::Resolve => {
            let outcome = wire::resolve(parse(call)?)?;
            return shown(gateway.settle_unknown(key, message()?, outcome).await?);
        }
        Action::List => choice(call, "conversationId", ConversationId::parse)?,
        Action::ListOfConversation => Some(id(call, ConversationId::parse, "conversation")?),
    };
    let paging = Paging::of(call)?;
    let filter = MessageFilter {
        status: choice(call, "status", DeliveryStatus::parse)?,
        channel_id: choice(call, "channelId", ChannelId::parse)?,
        conversation_id,
        since: choice(call, "since", Timestamp::parse_rfc3339)?,
    };
    let page = gateway
        .list_messages(key, &filter, paging.cursor.as_deref(), paging.limit)
        .await?;
    Ok(json_response(StatusCode::OK, &Listed::from(page)))
}

/// Sends a message.
pub async fn send<P: Ports>(gateway: &Gateway<P>, call: &Call<'_>) -> Answer {
    let route = Route {
        name: "POST /v1/messages",
        pace: Pace::Queued,
        client_message_id: Some("clientMessageId"),
    };
    let accepted = sending::send(gateway, call, &route, wire::send).await?;
    let is_replay = accepted.is_replay;
    let message = view::Message::from(accepted.message.as_accepted());
    let response = json_response(StatusCode::ACCEPTED, &message);
    Ok(sending::marked(response, is_replay))
}

/// Says what would become of a message, and sends nothing.
pub async fn validate<P: Ports>(gateway: &Gateway<P>, call: &Call<'_>) -> Answer {
    let secret = auth::secret(gateway, call.request.headers()).await?;
    let json = match parse(call) {
        Ok(json) => json,
        Err(refusal) => {
            gateway.authenticate(&secret, Freshness::Now).await?;
            return Err(refusal);
        }
    };
    let is_object = json.is_object();
    let validation = gateway.validate(&secret, wire::send(json)).await?;
    if !is_object {
        return Err(Error::invalid("", "must be an object").into());
    }
    Ok(json_response(
        StatusCode::OK,
        &wire::Validated::from(validation),
    ))
}
