//! The native surface, `/v1`.

mod administer;
mod api_keys;
mod channels;
mod content;
mod conversations;
mod messages;
mod webhooks;
mod wire;

use super::{Call, Refusal, auth, json_response, problem};
use crate::gateway::{Error, Freshness, Gateway, Ports};
use crate::model::access::Scope;
use bytes::Bytes;
use http::{Method, Response, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::Value;

/// What a route does, by the file that does it.
#[derive(Clone, Copy, Debug)]
pub enum Action {
    Administer(administer::Action),
    ShowWorkspace,
    ApiKeys(api_keys::Action),
    Channels(channels::Action),
    SendMessage,
    Messages(messages::Action),
    Conversations(conversations::Action),
    Webhooks(webhooks::Action),
}

use Action::{
    Administer, ApiKeys, Channels, Conversations, Messages, SendMessage, ShowWorkspace, Webhooks,
};

pub static ROUTES: &[(Method, &str, Action)] = &[
    (
        Method::POST,
        "/v1/workspaces",
        Administer(administer::Action::CreateWorkspace),
    ),
    (
        Method::GET,
        "/v1/workspaces",
        Administer(administer::Action::ListWorkspaces),
    ),
    (
        Method::DELETE,
        "/v1/workspaces/{id}",
        Administer(administer::Action::DeleteWorkspace),
    ),
    (
        Method::POST,
        "/v1/workspaces/{id}/api-keys",
        Administer(administer::Action::CreateKey),
    ),
    (Method::GET, "/v1/workspace", ShowWorkspace),
    (
        Method::POST,
        "/v1/api-keys",
        ApiKeys(api_keys::Action::Create),
    ),
    (Method::GET, "/v1/api-keys", ApiKeys(api_keys::Action::List)),
    (
        Method::DELETE,
        "/v1/api-keys/{id}",
        ApiKeys(api_keys::Action::Revoke),
    ),
    (
        Method::POST,
        "/v1/channels",
        Channels(channels::Action::Create),
    ),
    (
        Method::GET,
        "/v1/channels",
        Channels(channels::Action::List),
    ),
    (
        Method::GET,
        "/v1/channels/{id}",
        Channels(channels::Action::Show),
    ),
    (
        Method::PATCH,
        "/v1/channels/{id}",
        Channels(channels::Action::Patch),
    ),
    (
        Method::DELETE,
        "/v1/channels/{id}",
        Channels(channels::Action::Delete),
    ),
    (Method::POST, "/v1/messages", SendMessage),
    (
        Method::GET,
        "/v1/messages",
        Messages(messages::Action::List),
    ),
    (
        Method::GET,
        "/v1/messages/{id}",
        Messages(messages::Action::Show),
    ),
    (
        Method::GET,
        "/v1/conversations/{id}/messages",
        Messages(messages::Action::ListOfConversation),
    ),
    (
        Method::GET,
        "/v1/conversations",
        Conversations(conversations::Action::List),
    ),
    (
        Method::GET,
        "/v1/conversations/{id}",
        Conversations(conversations::Action::Show),
    ),
    (
        Method::PATCH,
        "/v1/conversations/{id}",
        Conversations(conversations::Action::Patch),
    ),
    (
        Method::POST,
        "/v1/conversations/{id}/read",
        Conversations(conversations::Action::Read),
    ),
    (
        Method::POST,
        "/v1/webhooks",
        Webhooks(webhooks::Action::Create),
    ),
    (
        Method::GET,
        "/v1/webhooks",
        Webhooks(webhooks::Action::List),
    ),
    (
        Method::GET,
        "/v1/webhooks/{id}",
        Webhooks(webhooks::Action::Show),
    ),
    (
        Method::DELETE,
        "/v1/webhooks/{id}",
        Webhooks(webhooks::Action::Delete),
    ),
];

type Answer = Result<Response<Bytes>, Refusal>;

pub async fn handle<P: Ports>(
    gateway: &Gateway<P>,
    action: Action,
    call: &Call<'_>,
) -> Response<Bytes> {
    let answer = match action {
        Administer(action) => administer::handle(gateway, action, call).await,
        // The send itself checks the key, together with everything else.
        SendMessage => messages::send(gateway, call).await,
        ShowWorkspace => with_key(gateway, action, call, None).await,
        ApiKeys(of) => with_key(gateway, action, call, Some(of.scope())).await,
        Channels(of) => with_key(gateway, action, call, Some(of.scope())).await,
        Messages(_) => with_key(gateway, action, call, Some(Scope::MessagesRead)).await,
        Conversations(of) => with_key(gateway, action, call, Some(of.scope())).await,
        Webhooks(of) => with_key(gateway, action, call, Some(of.scope())).await,
    };
    answer.unwrap_or_else(|refusal| problem::render(&refusal, call.request_id))
}

async fn with_key<P: Ports>(
    gateway: &Gateway<P>,
    action: Action,
    call: &Call<'_>,
    scope: Option<Scope>,
) -> Answer {
    let secret = auth::secret(gateway, call.request.headers()).await?;
    // Reads check the key again in their own batch; changes must know it now.
    let is_read = matches!(*call.request.method(), Method::GET | Method::HEAD);
    let freshness = if is_read {
        Freshness::Remembered
    } else {
        Freshness::Now
    };
    let key = gateway.authenticate(&secret, freshness).await?;
    if let Some(scope) = scope.filter(|scope| !key.may(*scope)) {
        return Err(Error::MissingScope(scope).into());
    }
    match action {
        ApiKeys(action) => api_keys::handle(gateway, action, call, &key).await,
        Channels(action) => channels::handle(gateway, action, call, &key).await,
        Messages(action) => messages::handle(gateway, action, call, &key).await,
        Conversations(action) => conversations::handle(gateway, action, call, &key).await,
        Webhooks(action) => webhooks::handle(gateway, action, call, &key).await,
        ShowWorkspace => {
            let workspace = gateway.workspace(&key).await?;
            Ok(json_response(StatusCode::OK, &workspace))
        }
        Administer(_) | SendMessage => Err(Error::Internal.into()),
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

/// The body as JSON.
fn parse(call: &Call<'_>) -> Result<Value, Refusal> {
    serde_json::from_slice(call.request.body()).map_err(|error| Refusal::NotJson(error.to_string()))
}

/// The body as what it should be; errors point at the field.
fn body<T: DeserializeOwned>(call: &Call<'_>) -> Result<T, Refusal> {
    Ok(wire::read(parse(call)?, "")?)
}
