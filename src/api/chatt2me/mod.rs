//! Chatt2.me's API: `/v1/communication/…` and `/v1/organization/…`.

mod content;
mod older;
mod webhooks;
mod wire;

use super::problem::{self, Told};
use super::sending::{self, Route};
use super::{Call, Refusal, json_response};
use crate::channel::Invalid;
use crate::gateway::{Accepted, Error, Gateway, Pace, Ports, Word};
use crate::model::channel::ChannelKind;
use bytes::Bytes;
use http::{Method, Response, StatusCode};
use serde_json::Value;
use wire::{Answer, Places};

/// What a route does.
#[derive(Clone, Copy, Debug)]
pub enum Action {
    /// Sends on a channel of a type.
    Send(ChannelKind),
    Webhooks(webhooks::Action),
}

use Action::{Send, Webhooks};

pub static ROUTES: &[(Method, &str, Action)] = &[
    (
        Method::POST,
        "/v1/communication/whatsapp/message",
        Send(ChannelKind::Whatsapp),
    ),
    (
        Method::POST,
        "/v1/communication/instagram/message",
        Send(ChannelKind::Instagram),
    ),
    (
        Method::POST,
        "/v1/communication/messenger/message",
        Send(ChannelKind::Messenger),
    ),
    (
        Method::POST,
        "/v1/communication/telegram/message",
        Send(ChannelKind::Telegram),
    ),
    (
        Method::POST,
        "/v1/communication/sms/message",
        Send(ChannelKind::Sms),
    ),
    (
        Method::POST,
        "/v1/communication/web-chatt2me/message",
        Send(ChannelKind::Webchat),
    ),
    (
        Method::POST,
        "/v1/organization/webhook",
        Webhooks(webhooks::Action::Create),
    ),
    (
        Method::GET,
        "/v1/organization/webhook",
        Webhooks(webhooks::Action::List),
    ),
    (
        Method::GET,
        "/v1/organization/webhook/{id}",
        Webhooks(webhooks::Action::Show),
    ),
    (
        Method::PATCH,
        "/v1/organization/webhook/{id}",
        Webhooks(webhooks::Action::Patch),
    ),
    (
        Method::DELETE,
        "/v1/organization/webhook/{id}",
        Webhooks(webhooks::Action::Delete),
    ),
    (
        Method::GET,
        "/v1/organization/webhook/{id}/webhook-log",
        Webhooks(webhooks::Action::ListLogs),
    ),
    (
        Method::POST,
        "/v1/organization/webhook/{id}/webhook-log/retry",
        Webhooks(webhooks::Action::RetryMany),
    ),
    (
        Method::POST,
        "/v1/organization/webhook/{id}/webhook-log/{log}/retry",
        Webhooks(webhooks::Action::Retry),
    ),
];

pub async fn handle<P: Ports>(
    gateway: &Gateway<P>,
    action: Action,
    call: &Call<'_>,
) -> Response<Bytes> {
    match action {
        Send(kind) => send(gateway, kind, call).await,
        Webhooks(action) => {
            let answer = webhooks::handle(gateway, action, call).await;
            answer.unwrap_or_else(|refusal| problem(&told(refusal), call.request_id))
        }
    }
}

/// A channel's pace is documented: these two answer before their provider does.
fn pace(kind: ChannelKind) -> Pace {
    match kind {
        ChannelKind::Whatsapp | ChannelKind::Messenger => Pace::Queued,
        ChannelKind::Instagram
        | ChannelKind::Telegram
        | ChannelKind::Sms
        | ChannelKind::Webchat => Pace::Now,
    }
}

async fn send<P: Ports>(
    gateway: &Gateway<P>,
    kind: ChannelKind,
    call: &Call<'_>,
) -> Response<Bytes> {
    let name = format!("POST {}", call.request.uri().path());
    let route = Route {
        name: &name,
        pace: pace(kind),
        client_message_id: None,
    };
    let mut to = String::new();
    let mut places = Places::default();
    let mut said = None;
    let read = |json: Value| {
        to = text(&json, "to");
        let wanted = wire::send(kind, json)?;
        places = wanted.places;
        said = wanted.kind;
        Ok(wanted.send)
    };
    let sent = sending::send(gateway, call, &route, read).await;
    match sent {
        Ok(accepted) => {
            let response = json_response(StatusCode::OK, &answer(kind, &accepted, to.trim(), said));
            sending::marked(response, accepted.is_replay)
        }
        Err(Refusal::Gateway(Error::NotFound { pointer, .. }))
            if kind == ChannelKind::Webchat && pointer.as_deref() == Some("/to") =>
        {
            problem(&no_session(), call.request_id)
        }
        Err(refusal) => problem(
            &told(refusal.repointed(|pointer| places.of(pointer))),
            call.request_id,
        ),
    }
}

/// The text of a field, if it is one.
fn text(json: &Value, field: &str) -> String {
    let text = json.get(field).and_then(Value::as_str);
    text.unwrap_or_default().to_owned()
}

/// What is said of a message that was taken; the same in every replay.
fn answer<'a>(
    kind: ChannelKind,
    accepted: &'a Accepted,
    to: &'a str,
    said: Option<&'static str>,
) -> Answer<'a> {
    let message = &accepted.message;
    let is_described = matches!(kind, ChannelKind::Messenger | ChannelKind::Instagram);
    let answer = Answer {
        message_id: Some(message.id),
        status: "enqueued",
        error_message: None,
        error_code: None,
        recipient_id: is_described.then_some(to),
        kind: said.filter(|_| is_described),
    };
    match &accepted.word {
        None | Some(Word::Unsettled) => answer,
        Some(Word::Sent) => Answer {
            status: "sent",
            ..answer
        },
        Some(Word::Rejected {
            message,
            provider_code,
        }) => Answer {
            message_id: None,
            status: "error",
            error_message: Some(message),
            error_code: Some(provider_code.as_deref().unwrap_or("provider_rejected")),
            ..answer
        },
    }
}

/// Nobody of that id ever opened the web chat: an answer, as a provider's refusal is.
fn no_session() -> Told {
    let detail = "No visitor of this web chat has this id.";
    Told {
        fields: vec![Invalid::new("/to", detail)],
        ..Told::new(StatusCode::OK, "session_not_found", detail)
    }
}

/// What is told of a refusal: wrong fields are a bad request, and a sender that is not
/// there is not found, however it was named.
fn told(refusal: Refusal) -> Told {
    let is_sender = matches!(refusal, Refusal::Gateway(Error::UnknownSender(_)));
    let told = problem::told(&refusal);
    if is_sender {
        Told {
            status: StatusCode::NOT_FOUND,
            code: "not_found",
            ..told
        }
    } else {
        told.or_bad_request()
    }
}

/// A refusal in this surface's own shape.
pub fn problem(told: &Told, request_id: &str) -> Response<Bytes> {
    told.response(&wire::Problem {
        message_id: None,
        status: "error",
        error_message: &told.detail,
        error_code: told.code,
        errors: told.errors(),
        request_id,
    })
}
