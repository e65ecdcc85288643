//! WhautoChat's API: `/v1/messages/{channel}/{sendtext|sendmedia|sendtemplate}`.

mod wire;

use super::problem::{self, Told};
use super::sending::{self, Route};
use super::{Call, json_response};
use crate::gateway::{Gateway, Pace, Ports};
use crate::model::channel::ChannelKind;
use crate::model::channel::ChannelKind::{Instagram, Messenger, Telegram, Whatsapp};
use bytes::Bytes;
use http::{Method, Response, StatusCode};
use serde_json::Value;
use wire::{Answer, Places};

/// What is sent, by the last word of the path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Text,
    Media,
    Template,
}

/// What a route does: it sends on a channel of a type.
#[derive(Clone, Copy, Debug)]
pub struct Action(ChannelKind, Form);

pub static ROUTES: &[(Method, &str, Action)] = &[
    (
        Method::POST,
        "/v1/messages/whatsapp/sendtext",
        Action(Whatsapp, Form::Text),
    ),
    (
        Method::POST,
        "/v1/messages/whatsapp/sendmedia",
        Action(Whatsapp, Form::Media),
    ),
    (
        Method::POST,
        "/v1/messages/whatsapp/sendtemplate",
        Action(Whatsapp, Form::Template),
    ),
    (
        Method::POST,
        "/v1/messages/messenger/sendtext",
        Action(Messenger, Form::Text),
    ),
    (
        Method::POST,
        "/v1/messages/messenger/sendmedia",
        Action(Messenger, Form::Media),
    ),
    (
        Method::POST,
        "/v1/messages/messenger/sendtemplate",
        Action(Messenger, Form::Template),
    ),
    (
        Method::POST,
        "/v1/messages/instagram/sendtext",
        Action(Instagram, Form::Text),
    ),
    (
        Method::POST,
        "/v1/messages/instagram/sendtemplate",
        Action(Instagram, Form::Template),
    ),
    (
        Method::POST,
        "/v1/messages/telegram/sendtemplate",
        Action(Telegram, Form::Template),
    ),
];

/// Sends a message. It is accepted, and sent after the answer.
pub async fn handle<P: Ports>(
    gateway: &Gateway<P>,
    Action(kind, form): Action,
    call: &Call<'_>,
) -> Response<Bytes> {
    let name = format!("POST {}", call.request.uri().path());
    let route = Route {
        name: &name,
        pace: Pace::Queued,
        client_message_id: None,
    };
    let mut places = Places::default();
    let read = |json: Value| {
        let wanted = wire::send(kind, form, json)?;
        places = wanted.places;
        Ok(wanted.send)
    };
    match sending::send(gateway, call, &route, read).await {
        Ok(accepted) => {
            let is_replay = accepted.is_replay;
            let message = accepted.message.as_accepted();
            let answer = Answer {
                id: message.id,
                status: message.status.name(),
                error: None,
            };
            sending::marked(json_response(StatusCode::OK, &answer), is_replay)
        }
        Err(refusal) => {
            let refusal = refusal.repointed(|pointer| places.of(pointer));
            let told = problem::told(&refusal).or_bad_request();
            problem(&told, call.request_id)
        }
    }
}

/// A refusal in this surface's own shape.
pub fn problem(told: &Told, request_id: &str) -> Response<Bytes> {
    told.response(&wire::Problem {
        id: None,
        status: "error",
        error: &told.detail,
        code: told.code,
        errors: told.errors(),
        request_id,
    })
}
