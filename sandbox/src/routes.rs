//! The sandbox's own routes, in JSON.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Json, Path, Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::account::Account;
use crate::control::template_status;
use crate::control::{Error, Handshake, Inbound, Press, Raw, StatusUpdate, TemplateStatus};
use crate::control::{handshake, inbound, press, raw, register, set_templates, status};
use crate::faults::Fault;
use crate::state::{Call, CallFilter, Shared, lock};
use crate::subscriber::Behaviour;

pub(crate) fn router() -> Router<Arc<Shared>> {
    type S = State<Arc<Shared>>;
    Router::new()
        .route(
            "/sandbox/accounts",
            post(async |State(shared): S, Json(account): Json<Account>| {
                register(&shared, account).map(|()| StatusCode::NO_CONTENT)
            })
            .get(async |State(shared): S| Json(json!({"data": shared.accounts.list()}))),
        )
        .route(
            "/sandbox/faults",
            post(async |State(shared): S, Json(fault): Json<Fault>| {
                shared.faults.add(fault);
                StatusCode::NO_CONTENT
            })
            .get(async |State(shared): S| Json(json!({"data": shared.faults.list()})))
            .delete(async |State(shared): S| {
                shared.faults.clear();
                StatusCode::NO_CONTENT
            }),
        )
        .route(
            "/sandbox/inbound",
            post(async |State(shared): S, Json(message): Json<Inbound>| {
                inbound(&shared, message).await.map(Json)
            }),
        )
        .route(
            "/sandbox/press",
            post(async |State(shared): S, Json(pressed): Json<Press>| {
                press(&shared, pressed).await.map(Json)
            }),
        )
        .route(
            "/sandbox/status",
            post(async |State(shared): S, Json(update): Json<StatusUpdate>| {
                status(&shared, update).await.map(Json)
            }),
        )
        .route(
            "/sandbox/raw",
            post(async |State(shared): S, Json(payload): Json<Raw>| {
                raw(&shared, payload).await.map(Json)
            }),
        )
        .route(
            "/sandbox/templates/{waba}",
            put(
                async |State(shared): S, Path(waba): Path<String>, Json(all): Json<Vec<Value>>| {
                    set_templates(&shared, &waba, all).map(|()| StatusCode::NO_CONTENT)
                },
            )
            .get(async |State(shared): S, Path(waba): Path<String>| {
                Json(json!({"data": *shared.templates.of(&waba)}))
            }),
        )
        .route(
            "/sandbox/templates/{waba}/status",
            post(
                async |State(shared): S,
                       Path(waba): Path<String>,
                       Json(update): Json<TemplateStatus>| {
                    template_status(&shared, &waba, update).await.map(Json)
                },
            ),
        )
        .route("/sandbox/handshake", post(shake_hands))
        .route("/sandbox/calls", get(calls).delete(clear_calls))
        .route(
            "/sandbox/accepted/count",
            get(async |State(shared): S| Json(json!({"count": lock(&shared.journal).accepted()}))),
        )
        .route("/sandbox/phones", get(phones))
        .route(
            "/sandbox/subscribers",
            get(async |State(shared): S| Json(json!({"data": shared.subscribers.names()}))),
        )
        .route("/sandbox/subscribers/{name}", post(set_subscriber))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Shake {
    account: String,
    verify_token: Option<String>,
}

async fn shake_hands(
    State(shared): State<Arc<Shared>>,
    Json(shake): Json<Shake>,
) -> Result<Json<Handshake>, Error> {
    let token = shake.verify_token.as_deref();
    handshake(&shared, &shake.account, token).await.map(Json)
}

async fn calls(State(shared): State<Arc<Shared>>, Query(filter): Query<CallFilter>) -> Json<Value> {
    let calls = lock(&shared.journal).list(&filter);
    let data: Vec<&Call> = calls.iter().map(AsRef::as_ref).collect();
    Json(json!({"data": data}))
}

async fn clear_calls(State(shared): State<Arc<Shared>>) -> StatusCode {
    lock(&shared.journal).clear();
    StatusCode::NO_CONTENT
}

#[derive(Deserialize)]
struct Limit {
    limit: Option<usize>,
}

async fn phones(State(shared): State<Arc<Shared>>, Query(wanted): Query<Limit>) -> Json<Value> {
    let phones = lock(&shared.phones).list(wanted.limit.unwrap_or(usize::MAX));
    Json(json!({"data": phones}))
}

async fn set_subscriber(
    State(shared): State<Arc<Shared>>,
    Path(name): Path<String>,
    Json(behaviour): Json<Behaviour>,
) -> StatusCode {
    shared.subscribers.set(&name, behaviour);
    StatusCode::NO_CONTENT
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let status = match self {
            Error::UnknownAccount(_)
            | Error::UnknownRecipient
            | Error::NoSuchChoice
            | Error::UnknownTemplate
            | Error::UnknownFile(_)
            | Error::UnknownMedia(_) => StatusCode::NOT_FOUND,
            Error::NotWithThisProvider | Error::NoCallbackUrl | Error::Invalid(_) => {
                StatusCode::BAD_REQUEST
            }
            Error::Unreachable(_) => StatusCode::BAD_GATEWAY,
        };
        (status, Json(json!({"error": self.to_string()}))).into_response()
    }
}
