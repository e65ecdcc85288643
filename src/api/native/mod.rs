//! The native surface, `/v1`.

mod wire;

use super::page::{Listed, Paging};
use super::{Call, Refusal, auth, json_response, no_content, problem};
use crate::gateway::{
    ConversationFilter, Error, Freshness, Gateway, Idempotency, MessageFilter, Ports,
};
use crate::model::access::{Key, Scope};
use crate::model::channel::ChannelKind;
use crate::model::conversation::{ConversationStatus, Mode};
use crate::model::id::{ChannelId, ConversationId, EndpointId, MessageId, WorkspaceId};
use crate::model::message::DeliveryStatus;
use crate::model::time::Timestamp;
use bytes::Bytes;
use http::{HeaderValue, Method, Response, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::Value;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    CreateWorkspace,
    ListWorkspaces,
    DeleteWorkspace,
    CreateFirstKey,
    ShowWorkspace,
    CreateChannel,
    ListChannels,
    ShowChannel,
    PatchChannel,
    DeleteChannel,
    SendMessage,
    ListMessages,
    ShowMessage,
    ListConversations,
    ShowConversation,
    PatchConversation,
    ListConversationMessages,
    ReadConversation,
    CreateWebhook,
    ListWebhooks,
    ShowWebhook,
    DeleteWebhook,
}

pub static ROUTES: &[(Method, &str, Action)] = &[
    (Method::POST, "/v1/workspaces", Action::CreateWorkspace),
    (Method::GET, "/v1/workspaces", Action::ListWorkspaces),
    (Method::DELETE, "/v1/workspaces/{id}", Action::DeleteWorkspace),
    (Method::POST, "/v1/workspaces/{id}/api-keys", Action::CreateFirstKey),
    (Method::GET, "/v1/workspace", Action::ShowWorkspace),
    (Method::POST, "/v1/channels", Action::CreateChannel),
    (Method::GET, "/v1/channels", Action::ListChannels),
    (Method::GET, "/v1/channels/{id}", Action::ShowChannel),
    (Method::PATCH, "/v1/channels/{id}", Action::PatchChannel),
    (Method::DELETE, "/v1/channels/{id}", Action::DeleteChannel),
    (Method::POST, "/v1/messages", Action::SendMessage),
    (Method::GET, "/v1/messages", Action::ListMessages),
    (Method::GET, "/v1/messages/{id}", Action::ShowMessage),
    (Method::GET, "/v1/conversations", Action::ListConversations),
    (Method::GET, "/v1/conversations/{id}", Action::ShowConversation),
    (Method::PATCH, "/v1/conversations/{id}", Action::PatchConversation),
    (Method::GET, "/v1/conversations/{id}/messages", Action::ListConversationMessages),
    (Method::POST, "/v1/conversations/{id}/read", Action::ReadConversation),
    (Method::POST, "/v1/webhooks", Action::CreateWebhook),
    (Method::GET, "/v1/webhooks", Action::ListWebhooks),
    (Method::GET, "/v1/webhooks/{id}", Action::ShowWebhook),
    (Method::DELETE, "/v1/webhooks/{id}", Action::DeleteWebhook),
];

/// Who may do it.
enum Access {
    Admin,
    /// Any key of the workspace.
    Key,
    Scope(Scope),
    /// The send itself checks the key, together with everything else.
    Send,
}

impl Action {
    fn access(self) -> Access {
        match self {
            Action::CreateWorkspace
            | Action::ListWorkspaces
            | Action::DeleteWorkspace
            | Action::CreateFirstKey => Access::Admin,
            Action::ShowWorkspace => Access::Key,
            Action::CreateChannel | Action::PatchChannel | Action::DeleteChannel => {
                Access::Scope(Scope::ChannelsWrite)
            }
            Action::ListChannels | Action::ShowChannel => Access::Scope(Scope::ChannelsRead),
            Action::SendMessage => Access::Send,
            Action::ListMessages | Action::ShowMessage | Action::ListConversationMessages => {
                Access::Scope(Scope::MessagesRead)
            }
            Action::ListConversations | Action::ShowConversation => {
                Access::Scope(Scope::ConversationsRead)
            }
            Action::PatchConversation | Action::ReadConversation => {
                Access::Scope(Scope::ConversationsWrite)
            }
            Action::CreateWebhook | Action::DeleteWebhook => Access::Scope(Scope::WebhooksWrite),
            Action::ListWebhooks | Action::ShowWebhook => Access::Scope(Scope::WebhooksRead),
        }
    }
}

type Answer = Result<Response<Bytes>, Refusal>;

pub async fn handle<P: Ports>(
    gateway: &Gateway<P>,
    action: Action,
    call: &Call<'_>,
) -> Response<Bytes> {
    let answer = match action.access() {
        Access::Admin => administer(gateway, action, call).await,
        Access::Send => send(gateway, call).await,
        Access::Key => with_key(gateway, action, call, None).await,
        Access::Scope(scope) => with_key(gateway, action, call, Some(scope)).await,
    };
    answer.unwrap_or_else(|refusal| problem::render(&refusal, call.request_id))
}

async fn administer<P: Ports>(gateway: &Gateway<P>, action: Action, call: &Call<'_>) -> Answer {
    let is_admin = auth::token(call.request.headers()).is_some_and(|token| gateway.is_admin(token));
    if !is_admin {
        return Err(Error::InvalidKey.into());
    }
    match action {
        Action::CreateWorkspace => {
            let new: wire::NewWorkspace = body(call)?;
            let workspace = gateway.create_workspace(new.name.as_str()).await?;
            Ok(json_response(StatusCode::CREATED, &workspace))
        }
        Action::ListWorkspaces => {
            let paging = Paging::of(call)?;
            let after = paging.after(WorkspaceId::parse)?;
            let page = gateway.list_workspaces(after, paging.limit).await?;
            Ok(json_response(StatusCode::OK, &Listed::from(page)))
        }
        Action::DeleteWorkspace => {
            let id = id(call, WorkspaceId::parse, "workspace")?;
            gateway.delete_workspace(id).await?;
            Ok(no_content())
        }
        _ => {
            let workspace = id(call, WorkspaceId::parse, "workspace")?;
            let new: wire::NewKey = body(call)?;
            let issued = gateway.issue_key(workspace, new.into()).await?;
            Ok(json_response(
                StatusCode::CREATED,
                &wire::IssuedKey::from(issued),
            ))
        }
    }
}

/// Sends a message. The body is JSON before anything else is looked at; whether it
/// is a message is for the send to say, after it looked for a replay.
async fn send<P: Ports>(gateway: &Gateway<P>, call: &Call<'_>) -> Answer {
    let headers = call.request.headers();
    let secret = auth::secret(headers)?;
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
    let message = crate::gateway::view::Message::from(accepted.message);
    let mut response = json_response(StatusCode::ACCEPTED, &message);
    if accepted.is_replay {
        response
            .headers_mut()
            .insert("idempotency-replayed", HeaderValue::from_static("true"));
    }
    Ok(response)
}

async fn with_key<P: Ports>(
    gateway: &Gateway<P>,
    action: Action,
    call: &Call<'_>,
    scope: Option<Scope>,
) -> Answer {
    let secret = auth::secret(call.request.headers())?;
    // Reads check the key again in their own batch; changes must know it now.
    let freshness = if call.request.method() == Method::GET || call.request.method() == Method::HEAD
    {
        Freshness::Remembered
    } else {
        Freshness::Now
    };
    let key = gateway.authenticate(&secret, freshness).await?;
    if let Some(scope) = scope.filter(|scope| !key.may(*scope)) {
        return Err(Error::MissingScope(scope).into());
    }
    match action {
        Action::CreateChannel
        | Action::ListChannels
        | Action::ShowChannel
        | Action::PatchChannel
        | Action::DeleteChannel => channels(gateway, action, call, &key).await,
        Action::CreateWebhook
        | Action::ListWebhooks
        | Action::ShowWebhook
        | Action::DeleteWebhook => webhooks(gateway, action, call, &key).await,
        Action::ListMessages
        | Action::ShowMessage
        | Action::ListConversationMessages => messages(gateway, action, call, &key).await,
        Action::ListConversations
        | Action::ShowConversation
        | Action::PatchConversation
        | Action::ReadConversation => conversations(gateway, action, call, &key).await,
        Action::ShowWorkspace => {
            let workspace = gateway.workspace(&key).await?;
            Ok(json_response(StatusCode::OK, &workspace))
        }
        Action::CreateWorkspace
        | Action::ListWorkspaces
        | Action::DeleteWorkspace
        | Action::CreateFirstKey
        | Action::SendMessage => Err(Error::Internal.into()),
    }
}

async fn channels<P: Ports>(
    gateway: &Gateway<P>,
    action: Action,
    call: &Call<'_>,
    key: &Key,
) -> Answer {
    match action {
        Action::CreateChannel => {
            let new = wire::connect(parse(call)?)?;
            let channel = gateway.connect_channel(key, new).await?;
            Ok(json_response(StatusCode::CREATED, &channel))
        }
        Action::ListChannels => {
            let paging = Paging::of(call)?;
            let kind = choice(call, "type", ChannelKind::parse)?;
            let after = paging.after(ChannelId::parse)?;
            let page = gateway.list_channels(key, kind, after, paging.limit).await?;
            Ok(json_response(StatusCode::OK, &Listed::from(page)))
        }
        Action::PatchChannel => {
            let id = id(call, ChannelId::parse, "channel")?;
            let current = gateway.channel(key, id).await?;
            let patch = wire::patch_channel(parse(call)?, &current.settings)?;
            let channel = gateway.patch_channel(key, id, patch).await?;
            Ok(json_response(StatusCode::OK, &channel))
        }
        Action::DeleteChannel => {
            let id = id(call, ChannelId::parse, "channel")?;
            gateway.delete_channel(key, id).await?;
            Ok(no_content())
        }
        _ => {
            let id = id(call, ChannelId::parse, "channel")?;
            let channel = gateway.channel(key, id).await?;
            Ok(json_response(StatusCode::OK, &channel))
        }
    }
}

async fn messages<P: Ports>(
    gateway: &Gateway<P>,
    action: Action,
    call: &Call<'_>,
    key: &Key,
) -> Answer {
    if action == Action::ShowMessage {
        let id = id(call, MessageId::parse, "message")?;
        let message = gateway.message(key, id).await?;
        return Ok(json_response(StatusCode::OK, &message));
    }
    let paging = Paging::of(call)?;
    let conversation_id = if action == Action::ListConversationMessages {
        Some(id(call, ConversationId::parse, "conversation")?)
    } else {
        choice(call, "conversationId", ConversationId::parse)?
    };
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

async fn conversations<P: Ports>(
    gateway: &Gateway<P>,
    action: Action,
    call: &Call<'_>,
    key: &Key,
) -> Answer {
    if action == Action::ListConversations {
        if call.query("search").is_some() {
            return Err(Error::invalid("/search", "cannot be searched yet").into());
        }
        let paging = Paging::of(call)?;
        let filter = ConversationFilter {
            status: choice(call, "status", named::<ConversationStatus>)?,
            mode: choice(call, "mode", named::<Mode>)?,
            channel_id: choice(call, "channelId", ChannelId::parse)?,
            assigned: call.query("assigned"),
        };
        let page = gateway
            .list_conversations(key, &filter, paging.cursor.as_deref(), paging.limit)
            .await?;
        return Ok(json_response(StatusCode::OK, &Listed::from(page)));
    }
    let id = id(call, ConversationId::parse, "conversation")?;
    let conversation = match action {
        Action::PatchConversation => {
            let patch = wire::patch_conversation(parse(call)?)?;
            gateway.patch_conversation(key, id, &patch).await?
        }
        Action::ReadConversation => gateway.mark_conversation_read(key, id).await?,
        _ => gateway.conversation(key, id).await?,
    };
    Ok(json_response(StatusCode::OK, &conversation))
}

async fn webhooks<P: Ports>(
    gateway: &Gateway<P>,
    action: Action,
    call: &Call<'_>,
    key: &Key,
) -> Answer {
    match action {
        Action::CreateWebhook => {
            let new = wire::subscribe(parse(call)?)?;
            let endpoint = gateway.subscribe(key, new).await?;
            Ok(json_response(StatusCode::CREATED, &endpoint))
        }
        Action::ListWebhooks => {
            let paging = Paging::of(call)?;
            let after = paging.after(EndpointId::parse)?;
            let page = gateway.list_endpoints(key, after, paging.limit).await?;
            Ok(json_response(StatusCode::OK, &Listed::from(page)))
        }
        Action::DeleteWebhook => {
            let id = id(call, EndpointId::parse, "webhook")?;
            gateway.unsubscribe(key, id).await?;
            Ok(no_content())
        }
        _ => {
            let id = id(call, EndpointId::parse, "webhook")?;
            let endpoint = gateway.endpoint(key, id).await?;
            Ok(json_response(StatusCode::OK, &endpoint))
        }
    }
}

/// The id in the path; what is none names nothing.
fn id<Id>(
    call: &Call<'_>,
    parse: impl Fn(&str) -> Option<Id>,
    what: &'static str,
) -> Result<Id, Error> {
    parse(call.parameter("id")).ok_or(Error::not_found(what))
}

/// A query parameter that must be one of its kind.
fn choice<T>(
    call: &Call<'_>,
    name: &str,
    parse: impl Fn(&str) -> Option<T>,
) -> Result<Option<T>, Error> {
    call.query(name)
        .map(|text| {
            parse(&text).ok_or_else(|| Error::invalid(format!("/{name}"), "is not one there is"))
        })
        .transpose()
}

/// Reads a value by its wire name.
fn named<T: DeserializeOwned>(name: &str) -> Option<T> {
    serde_json::from_value(Value::from(name)).ok()
}

/// The body as JSON.
fn parse(call: &Call<'_>) -> Result<Value, Refusal> {
    serde_json::from_slice(call.request.body()).map_err(|error| Refusal::NotJson(error.to_string()))
}

/// The body as what it should be; errors point at the field.
fn body<T: DeserializeOwned>(call: &Call<'_>) -> Result<T, Refusal> {
    Ok(wire::read(parse(call)?, "")?)
}
