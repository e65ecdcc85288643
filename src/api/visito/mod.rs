//! Visito's API: `/channels`, `/webhooks`, `/messages`, `/whatsapp-templates`, and the same
//! under `/m2m/v1`.

mod channels;
mod messages;
mod templates;
mod webhooks;

use super::problem::{FieldError, Told, told};
use super::reading::{body, choice, id, read, take};
use super::{Answer, Call, Refusal, auth, json_response};
use crate::gateway::{Gateway, Ports};
use bytes::Bytes;
use http::{Method, Response};
use serde::Serialize;

/// What a route does, by the file that does it.
#[derive(Clone, Copy, Debug)]
pub enum Action {
    ListChannels,
    Webhooks(webhooks::Action),
    SendMessage,
    ListTemplates,
    CreateTemplate,
    SendTemplate,
}

use Action::{CreateTemplate, ListChannels, ListTemplates, SendMessage, SendTemplate, Webhooks};

/// The most rows of a list: its answer has no way to ask for more.
const MOST: i64 = 1_000;

pub static ROUTES: &[(Method, &str, Action)] = &[
    (Method::GET, "/channels", ListChannels),
    (Method::GET, "/m2m/v1/channels", ListChannels),
    (
        Method::POST,
        "/webhooks",
        Webhooks(webhooks::Action::Create),
    ),
    (
        Method::POST,
        "/m2m/v1/webhooks",
        Webhooks(webhooks::Action::Create),
    ),
    (Method::GET, "/webhooks", Webhooks(webhooks::Action::List)),
    (
        Method::GET,
        "/m2m/v1/webhooks",
        Webhooks(webhooks::Action::List),
    ),
    (
        Method::DELETE,
        "/webhooks/{id}",
        Webhooks(webhooks::Action::Delete),
    ),
    (
        Method::DELETE,
        "/m2m/v1/webhooks/{id}",
        Webhooks(webhooks::Action::Delete),
    ),
    (Method::POST, "/messages", SendMessage),
    (Method::POST, "/m2m/v1/messages", SendMessage),
    (Method::GET, "/whatsapp-templates/{id}", ListTemplates),
    (
        Method::GET,
        "/m2m/v1/whatsapp-templates/{id}",
        ListTemplates,
    ),
    (Method::POST, "/whatsapp-templates/{id}", CreateTemplate),
    (
        Method::POST,
        "/m2m/v1/whatsapp-templates/{id}",
        CreateTemplate,
    ),
    (Method::POST, "/whatsapp-templates/{id}/send", SendTemplate),
    (
        Method::POST,
        "/m2m/v1/whatsapp-templates/{id}/send",
        SendTemplate,
    ),
];

pub async fn handle<P: Ports>(
    gateway: &Gateway<P>,
    action: Action,
    call: &Call<'_>,
) -> Response<Bytes> {
    let answer = match action {
        ListChannels => channels::list(gateway, call).await,
        Webhooks(action) => webhooks::handle(gateway, action, call).await,
        SendMessage => messages::send(gateway, call).await,
        ListTemplates => templates::list(gateway, call).await,
        CreateTemplate => templates::create(gateway, call).await,
        SendTemplate => messages::send_template(gateway, call).await,
    };
    answer.unwrap_or_else(|refusal| problem(&told(&refusal), call.request_id))
}

/// A refusal in this surface's own shape.
pub fn problem(told: &Told, request_id: &str) -> Response<Bytes> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Problem<'a> {
        error: &'static str,
        message: &'a str,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        errors: Vec<FieldError<'a>>,
        request_id: &'a str,
    }
    told.response(&Problem {
        error: told.code,
        message: &told.detail,
        errors: told.errors(),
        request_id,
    })
}

/// A whole list.
#[derive(Serialize)]
struct Listed<T> {
    data: Vec<T>,
}
