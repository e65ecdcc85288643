//! `/v1/messages`, and the messages of a conversation.

use super::super::page::{Listed, Paging};
use super::{Answer, Call, auth, choice, id, json_response, parse, wire};
use crate::gateway::{Freshness, Gateway, Idempotency, MessageFilter, Ports, view};
use crate::model::access::Key;
use crate::model::id::{ChannelId, ConversationId, MessageId};
use crate::model::message::DeliveryStatus;
use crate::model::time::Timestamp;
use http::{HeaderValue, StatusCode};
use serde_json::Value;

#[derive(Clone, Copy, Debug)]
pub enum Action {
    List,
    Show,
    ListOfConversation,
}

pub async fn handle<P: Ports>(
    gateway: &Gateway<P>,
    action: Action,
    call: &Call<'_>,
    key: &Key,
) -> Answer {
    let conversation_id = match action {
        Action::Show => {
            let message = id(call, MessageId::parse, "message")?;
            let message = gateway.message(key, message).await?;
            return Ok(json_response(StatusCode::OK, &message));
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

/// Sends a message. The body is JSON before anything else is looked at; whether it
/// is a message is for the send to say, after it looked for a replay.
pub async fn send<P: Ports>(gateway: &Gateway<P>, call: &Call<'_>) -> Answer {
    let headers = call.request.headers();
    let secret = auth::secret(gateway, headers).await?;
    let json = match parse(call) {
        Ok(json) => json,
        Err(refusal) => {
            gateway.authenticate(&secret, Freshness::Now).await?;
            return Err(refusal);
        }
    };
    let key = auth::idempotency_key(headers);
    let (scope, key_refusal) = match key {
        Ok(key) => (key.map(|key| format!("POST /v1/messages {key}")), None),
        Err(refusal) => (None, Some(refusal)),
    };
    let idempotency = Idempotency {
        scope,
        client_message_id: json
            .get("clientMessageId")
            .and_then(Value::as_str)
            .map(str::to_owned),
        fingerprint: auth::fingerprint(&json),
    };
    let wanted = match key_refusal {
        Some(refusal) => Err(refusal),
        None => wire::send(json),
    };
    let accepted = gateway.send(&secret, &idempotency, wanted).await?;
    let message = view::Message::from(*accepted.message);
    let mut response = json_response(StatusCode::ACCEPTED, &message);
    if accepted.is_replay {
        response
            .headers_mut()
            .insert("idempotency-replayed", HeaderValue::from_static("true"));
    }
    Ok(response)
}
