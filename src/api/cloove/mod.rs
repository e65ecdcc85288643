//! Cloove's messaging API: `/v1/messaging/…`, the WhatsApp inbox of a business.
//!
//! Sends wait for the provider, so that the answer says `sent` as its document shows it.

mod wire;

use super::problem::{Told, told};
use super::reading::{choice, id};
use super::sending::{self, Route, marked};
use super::{Answer, Call, Refusal, auth, json_response};
use crate::gateway::{ConversationFilter, Error, Gateway, Pace, Ports};
use crate::model::access::Scope;
use crate::model::channel::ChannelKind;
use crate::model::conversation::{ConversationStatus, Mode};
use crate::model::id::ConversationId;
use bytes::Bytes;
use http::{Method, Response, StatusCode};
use serde_json::json;

/// What a route does.
#[derive(Clone, Copy, Debug)]
pub enum Action {
    List,
    Show,
    SendText,
    SendTemplate,
}

pub static ROUTES: &[(Method, &str, Action)] = &[
    (Method::GET, "/v1/messaging/conversations", Action::List),
    (
        Method::GET,
        "/v1/messaging/conversations/{id}",
        Action::Show,
    ),
    (
        Method::POST,
        "/v1/messaging/conversations/{id}/messages",
        Action::SendText,
    ),
    (
        Method::POST,
        "/v1/messaging/messages/template",
        Action::SendTemplate,
    ),
];

/// The channels of this surface.
const KIND: ChannelKind = ChannelKind::Whatsapp;
/// Messages shown with a conversation.
const MESSAGES: i64 = 50;

pub async fn handle<P: Ports>(
    gateway: &Gateway<P>,
    action: Action,
    call: &Call<'_>,
) -> Response<Bytes> {
    let answer = match action {
        Action::List => list(gateway, call).await,
        Action::Show => show(gateway, call).await,
        Action::SendText => send_text(gateway, call).await,
        Action::SendTemplate => send_template(gateway, call).await,
    };
    answer.unwrap_or_else(|refusal| problem(&told(&refusal), call.request_id))
}

/// A refusal in this surface's own shape.
pub fn problem(told: &Told, request_id: &str) -> Response<Bytes> {
    let mut body = json!({
        "error": told.code, "message": told.detail, "requestId": request_id,
    });
    if let Some(body) = body.as_object_mut().filter(|_| !told.fields.is_empty()) {
        body.insert("errors".to_owned(), json!(told.errors()));
    }
    told.response(&body)
}

async fn list<P: Ports>(gateway: &Gateway<P>, call: &Call<'_>) -> Answer {
    let key = auth::key(gateway, call, Some(Scope::ConversationsRead)).await?;
    let paging = wire::Paging::of(call)?;
    let filter = ConversationFilter {
        status: choice(call, "status", ConversationStatus::parse)?,
        mode: choice(call, "mode", Mode::parse)?,
        assigned: choice(call, "assigned", |name| {
            matches!(name, "me" | "unassigned").then(|| name.to_owned())
        })?,
        search: call.query("search"),
        channel_id: None,
    };
    let counted = gateway
        .count_conversations(&key, KIND, &filter, paging.page, paging.limit)
        .await?;
    let shown = counted.items.iter();
    let body = json!({
        "message": "Conversations retrieved",
        "data": shown
            .map(|conversation| wire::Conversation::of(conversation, key.workspace_id))
            .collect::<Vec<_>>(),
        "meta": paging.meta(counted.total),
    });
    Ok(json_response(StatusCode::OK, &body))
}

async fn show<P: Ports>(gateway: &Gateway<P>, call: &Call<'_>) -> Answer {
    let key = auth::key(gateway, call, Some(Scope::MessagesRead)).await?;
    let id = id(call, ConversationId::parse, "conversation")?;
    let (conversation, messages) = gateway
        .conversation_of_kind(&key, KIND, id, MESSAGES)
        .await?;
    let mut data = json!(wire::Conversation::of(&conversation, key.workspace_id));
    let messages: Vec<_> = messages.iter().map(wire::Message::of).collect();
    if let Some(data) = data.as_object_mut() {
        data.insert("messages".to_owned(), json!(messages));
    }
    let body = json!({ "message": "Conversation retrieved", "data": data });
    Ok(json_response(StatusCode::OK, &body))
}

async fn send_text<P: Ports>(gateway: &Gateway<P>, call: &Call<'_>) -> Answer {
    // However the id is spelled, it is one path.
    let id = ConversationId::parse(call.parameter("id"));
    let named = id.map(|id| id.to_string()).unwrap_or_default();
    let route = format!("POST /v1/messaging/conversations/{named}/messages");
    send(gateway, call, &route, wire::TEXT, |json| {
        wire::text(json, named.clone())
    })
    .await
}

async fn send_template<P: Ports>(gateway: &Gateway<P>, call: &Call<'_>) -> Answer {
    let route = "POST /v1/messaging/messages/template";
    send(gateway, call, route, wire::TEMPLATE, wire::template).await
}

async fn send<P: Ports>(
    gateway: &Gateway<P>,
    call: &Call<'_>,
    name: &str,
    names: wire::Names,
    read: impl FnOnce(serde_json::Value) -> Result<crate::gateway::Send, Error>,
) -> Answer {
    let route = Route {
        name,
        pace: Pace::Now,
        client_message_id: None,
    };
    let accepted = match sending::send(gateway, call, &route, read).await {
        Ok(accepted) => accepted,
        Err(Refusal::Gateway(error)) => return Err(wire::in_own_words(error, names).into()),
        Err(refusal @ Refusal::NotJson(_)) => return Err(refusal),
    };
    let sent = wire::Sent::of(&accepted);
    let body = json!({ "message": "Message sent", "data": sent });
    let response = json_response(StatusCode::CREATED, &body);
    Ok(marked(response, accepted.is_replay))
}
