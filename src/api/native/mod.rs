//! The native surface, `/v1`.

mod administer;
mod api_keys;
mod channels;
mod contacts;
mod conversations;
mod media;
mod messages;
mod templates;
mod webhooks;
mod wire;

use super::page::Listed;
use super::reading::{body, choice, id, parse};
use super::{Answer, Call, auth, json_response, problem};
use crate::gateway::{Error, Gateway, Ports, capabilities};
use crate::model::access::Scope;
use bytes::Bytes;
use http::{Method, Response, StatusCode};

/// What a route does, by the file that does it.
#[derive(Clone, Copy, Debug)]
pub enum Action {
    Administer(administer::Action),
    ShowWorkspace,
    ApiKeys(api_keys::Action),
    Channels(channels::Action),
    ShowCapabilities,
    SendMessage,
    ValidateMessage,
    Messages(messages::Action),
    Media(media::Action),
    Contacts(contacts::Action),
    Conversations(conversations::Action),
    Templates(templates::Action),
    Webhooks(webhooks::Action),
}

use Action::{
    Administer, ApiKeys, Channels, Contacts, Conversations, Media, Messages, SendMessage,
    ShowCapabilities, ShowWorkspace, Templates, ValidateMessage, Webhooks,
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
    (
        Method::GET,
        "/metrics",
        Administer(administer::Action::ShowMetrics),
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
    (
        Method::POST,
        "/v1/channels/{id}/test",
        Channels(channels::Action::Test),
    ),
    (Method::GET, "/v1/capabilities", ShowCapabilities),
    (Method::POST, "/v1/messages", SendMessage),
    (Method::POST, "/v1/messages/validate", ValidateMessage),
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
        Method::PATCH,
        "/v1/messages/{id}",
        Messages(messages::Action::Reschedule),
    ),
    (
        Method::DELETE,
        "/v1/messages/{id}",
        Messages(messages::Action::Cancel),
    ),
    (
        Method::POST,
        "/v1/messages/{id}/resolve",
        Messages(messages::Action::Resolve),
    ),
    (
        Method::GET,
        "/v1/conversations/{id}/messages",
        Messages(messages::Action::ListOfConversation),
    ),
    (Method::POST, "/v1/media", Media(media::Action::Put)),
    (Method::GET, "/v1/media/{id}", Media(media::Action::Show)),
    (
        Method::POST,
        "/v1/contacts",
        Contacts(contacts::Action::Create),
    ),
    (
        Method::GET,
        "/v1/contacts",
        Contacts(contacts::Action::List),
    ),
    (
        Method::GET,
        "/v1/contacts/{id}",
        Contacts(contacts::Action::Show),
    ),
    (
        Method::PATCH,
        "/v1/contacts/{id}",
        Contacts(contacts::Action::Patch),
    ),
    (
        Method::DELETE,
        "/v1/contacts/{id}",
        Contacts(contacts::Action::Delete),
    ),
    (
        Method::POST,
        "/v1/contacts/{id}/merge",
        Contacts(contacts::Action::Merge),
    ),
    (
        Method::POST,
        "/v1/contacts/{id}/unmerge",
        Contacts(contacts::Action::Unmerge),
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
        "/v1/channels/{id}/templates/sync",
        Templates(templates::Action::Sync),
    ),
    (
        Method::POST,
        "/v1/templates",
        Templates(templates::Action::Create),
    ),
    (
        Method::GET,
        "/v1/templates",
        Templates(templates::Action::List),
    ),
    (
        Method::GET,
        "/v1/templates/{id}",
        Templates(templates::Action::Show),
    ),
    (
        Method::PATCH,
        "/v1/templates/{id}",
        Templates(templates::Action::Patch),
    ),
    (
        Method::DELETE,
        "/v1/templates/{id}",
        Templates(templates::Action::Delete),
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
    (
        Method::PATCH,
        "/v1/webhooks/{id}",
        Webhooks(webhooks::Action::Patch),
    ),
    (
        Method::POST,
        "/v1/webhooks/{id}/rotate-secret",
        Webhooks(webhooks::Action::RotateSecret),
    ),
    (
        Method::POST,
        "/v1/webhooks/{id}/test",
        Webhooks(webhooks::Action::Test),
    ),
    (
        Method::GET,
        "/v1/webhooks/{id}/deliveries",
        Webhooks(webhooks::Action::ListDeliveries),
    ),
    (
        Method::POST,
        "/v1/webhooks/{id}/deliveries/resend",
        Webhooks(webhooks::Action::ResendMany),
    ),
    (
        Method::POST,
        "/v1/webhooks/{id}/deliveries/{delivery}/resend",
        Webhooks(webhooks::Action::Resend),
    ),
    (
        Method::POST,
        "/v1/webhooks/{id}/recover",
        Webhooks(webhooks::Action::Recover),
    ),
];

pub async fn handle<P: Ports>(
    gateway: &Gateway<P>,
    action: Action,
    call: &Call<'_>,
) -> Response<Bytes> {
    let answer = match action {
        Administer(action) => administer::handle(gateway, action, call).await,
        // The send itself checks the key, together with everything else.
        SendMessage => messages::send(gateway, call).await,
        ValidateMessage => messages::validate(gateway, call).await,
        // It is no secret what providers carry.
        ShowCapabilities => Ok(json_response(
            StatusCode::OK,
            &Listed::whole(capabilities()),
        )),
        ShowWorkspace => with_key(gateway, action, call, None).await,
        ApiKeys(of) => with_key(gateway, action, call, Some(of.scope())).await,
        Channels(of) => with_key(gateway, action, call, Some(of.scope())).await,
        Messages(of) => with_key(gateway, action, call, Some(of.scope())).await,
        Contacts(of) => with_key(gateway, action, call, Some(of.scope())).await,
        Media(of) => with_key(gateway, action, call, Some(of.scope())).await,
        Conversations(of) => with_key(gateway, action, call, Some(of.scope())).await,
        Templates(of) => with_key(gateway, action, call, Some(of.scope())).await,
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
    let key = auth::key(gateway, call, scope).await?;
    match action {
        ApiKeys(action) => api_keys::handle(gateway, action, call, &key).await,
        Channels(action) => channels::handle(gateway, action, call, &key).await,
        Messages(action) => messages::handle(gateway, action, call, &key).await,
        Media(action) => media::handle(gateway, action, call, &key).await,
        Contacts(action) => contacts::handle(gateway, action, call, &key).await,
        Conversations(action) => conversations::handle(gateway, action, call, &key).await,
        Templates(action) => templates::handle(gateway, action, call, &key).await,
        Webhooks(action) => webhooks::handle(gateway, action, call, &key).await,
        ShowWorkspace => {
            let workspace = gateway.workspace(&key).await?;
            Ok(json_response(StatusCode::OK, &workspace))
        }
        Administer(_) | SendMessage | ShowCapabilities | ValidateMessage => {
            Err(Error::Internal.into())
        }
    }
}
