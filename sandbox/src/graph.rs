//! Meta's Graph API: what WhatsApp numbers, Pages and Instagram accounts have in common.
//!
//! An id in a path may be any of them; its registration says which. Instagram accounts answer under
//! `/graph` (Facebook Login) and under `/instagram` (Instagram Login), the others under `/graph` only.
//!
//! <https://developers.facebook.com/docs/graph-api/overview>
//! <https://developers.facebook.com/docs/instagram-platform/overview>

mod media;
mod refusal;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, Query, Request, State};
use axum::response::Response;
use axum::routing::{get, post};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::account::Account;
use crate::faults::{Answer, Ending};
use crate::messaging::{self, Inbox};
use crate::state::{Call, Shared, lock};
use crate::whatsapp;
pub(crate) use refusal::Refusal;

/// The journal's name for a call about an id that nobody registered.
pub(crate) const PROVIDER: &str = "graph";

type Node = Path<(String, String)>;

pub(crate) fn router() -> Router<Arc<Shared>> {
    type S = State<Arc<Shared>>;
    let edges = |host: Host| {
        let prefix = host.prefix();
        Router::new()
            .route(
                &format!("{prefix}/{{version}}/{{node}}"),
                get(
                    async move |State(shared): S,
                                Path(node): Node,
                                wanted: Query<Wanted>,
                                request: Request| {
                        match media::find(&shared, host, &node.1) {
                            Some(file) => media::read(&shared, node, &file, &wanted, request).await,
                            None => read(&shared, host, node, &wanted, request.headers()).await,
                        }
                    },
                )
                .delete(
                    async move |State(shared): S,
                                Path(node): Node,
                                wanted: Query<Wanted>,
                                request: Request| {
                        media::delete(&shared, host, node, &wanted, request).await
                    },
                ),
            )
            .route(
                &format!("{prefix}/{{version}}/{{node}}/media"),
                post(
                    async move |State(shared): S, Path(node): Node, request: Request| {
                        media::upload(&shared, host, node, request).await
                    },
                ),
            )
            .route(
                &format!("{prefix}/{{version}}/{{node}}/message_attachments"),
                post(
                    async move |State(shared): S, Path(node): Node, request: Request| {
                        media::attach(&shared, host, node, request).await
                    },
                ),
            )
            .route(
                &format!("{prefix}/{{version}}/{{node}}/messages"),
                post(
                    async move |State(shared): S, node: Node, headers, body: Bytes| {
                        messages(&shared, host, node, headers, body).await
                    },
                ),
            )
    };
    edges(Host::Facebook).merge(edges(Host::Instagram))
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum Host {
    /// `graph.facebook.com`
    Facebook,
    /// `graph.instagram.com`
    Instagram,
}

impl Host {
    fn prefix(self) -> &'static str {
        match self {
            Host::Facebook => "/graph",
            Host::Instagram => "/instagram",
        }
    }

    fn serves(self, account: &Account) -> bool {
        match account {
            Account::Whatsapp(_) | Account::Messenger(_) => self == Host::Facebook,
            Account::Instagram(_) => true,
            Account::Telegram(_) | Account::Sms(_) => false,
        }
    }
}

#[derive(Deserialize)]
struct Wanted {
    fields: Option<String>,
    /// Of a file: the number it must belong to.
    phone_number_id: Option<String>,
}

/// Tells what an id is, which is how a token is tried out.
async fn read(
    shared: &Arc<Shared>,
    host: Host,
    (version, node): (String, String),
    wanted: &Wanted,
    headers: &HeaderMap,
) -> Response {
    let path = format!("{}/{version}/{node}", host.prefix());
    let mut call = Call::new(PROVIDER, "GET", path, headers);
    let about = account(shared, host, &version, &node, &mut call, headers)
        .and_then(|account| about(&account, wanted.fields.as_deref()));
    let answer = match about {
        Ok(about) => {
            call.outcome = "done";
            ok(shared, &about)
        }
        Err(refusal) => refuse(shared, &mut call, &refusal),
    };
    end(shared, call, Ending::Answer(answer)).await
}

async fn messages(
    shared: &Arc<Shared>,
    host: Host,
    Path((version, node)): Node,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let path = format!("{}/{version}/{node}/messages", host.prefix());
    let mut call = Call::new(PROVIDER, "POST", path, &headers);
    call.request = serde_json::from_slice(&body).unwrap_or_default();
    let ending = account(shared, host, &version, &node, &mut call, &headers).and_then(|account| {
        match (&*account, Inbox::of(&account)) {
            (Account::Whatsapp(number), _) => whatsapp::send(shared, number, &headers, &mut call),
            (_, Some(inbox)) => messaging::send(shared, &inbox, &headers, &mut call),
            (_, None) => Err(Refusal::unknown_object("post", &node)),
        }
    });
    let ending =
        ending.unwrap_or_else(|refusal| Ending::Answer(refuse(shared, &mut call, &refusal)));
    end(shared, call, ending).await
}

/// The account an id stands for, if the caller has its token.
fn account(
    shared: &Shared,
    host: Host,
    version: &str,
    node: &str,
    call: &mut Call,
    headers: &HeaderMap,
) -> Result<Arc<Account>, Refusal> {
    check_version(version)?;
    let account = shared.accounts.get(node);
    let Some(account) = account.filter(|account| host.serves(account)) else {
        let method = call.method.to_ascii_lowercase();
        return Err(Refusal::unknown_object(&method, node));
    };
    call.provider = account.provider();
    if account.access_token() != bearer(headers) {
        return Err(bad_token(&account));
    }
    call.account = Some(account.key().to_owned());
    Ok(account)
}

/// WhatsApp's refusal has status 401; the Messenger Platform's has 400.
///
/// <https://developers.facebook.com/docs/messenger-platform/error-codes>
fn bad_token(account: &Account) -> Refusal {
    match account {
        Account::Whatsapp(_) => Refusal::bad_token().with_status(StatusCode::UNAUTHORIZED),
        Account::Messenger(_) | Account::Instagram(_) | Account::Telegram(_) | Account::Sms(_) => {
            Refusal::bad_token()
        }
    }
}

pub(crate) fn check_version(version: &str) -> Result<(), Refusal> {
    let version = version.strip_prefix('v').unwrap_or_default();
    if version.split('.').all(|part| part.parse::<u16>().is_ok()) {
        Ok(())
    } else {
        Err(Refusal::unknown_version())
    }
}

/// The token of a call. One in the address or in the body does not count: those are logged.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?;
    value.to_str().ok()?.strip_prefix("Bearer ")
}

pub(crate) fn is_json(headers: &HeaderMap) -> bool {
    headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.starts_with("application/json"))
}

fn about(account: &Account, fields: Option<&str>) -> Result<Value, Refusal> {
    let (all, otherwise) = match account {
        Account::Whatsapp(number) => (
            json!({
                "id": number.phone_number_id,
                "display_phone_number": number.display_phone_number,
                "verified_name": "Patchbay Sandbox",
                "quality_rating": "GREEN",
                "code_verification_status": "VERIFIED",
                "name_status": "APPROVED",
                "platform_type": "CLOUD_API",
                "status": "CONNECTED",
                "account_mode": "SANDBOX",
                "throughput": {"level": "STANDARD"},
            }),
            "display_phone_number,verified_name,quality_rating,code_verification_status",
        ),
        Account::Messenger(page) => (
            json!({"id": page.page_id, "name": page.name, "category": "Shopping & retail"}),
            "name",
        ),
        Account::Instagram(account) => (
            json!({
                "id": account.account_id,
                "user_id": account.account_id,
                "username": account.username,
                "name": account.username,
                "account_type": "BUSINESS",
            }),
            "",
        ),
        Account::Telegram(_) | Account::Sms(_) => (json!({}), ""),
    };
    pick(&all, fields.unwrap_or(otherwise))
}

/// Of an object, its id and the fields a caller asks for.
pub(crate) fn pick(object: &Value, fields: &str) -> Result<Value, Refusal> {
    let names = fields.split(',').map(str::trim);
    let names = names.filter(|name| !name.is_empty());
    let mut picked = Map::new();
    for name in names.chain(["id"]) {
        let field = object.get(name);
        let field = field.ok_or_else(|| Refusal::unknown_field(name))?;
        picked.insert(name.to_owned(), field.clone());
    }
    Ok(Value::Object(picked))
}

pub(crate) fn ok(shared: &Shared, body: &Value) -> Answer {
    Answer::json(StatusCode::OK, body).with("x-fb-trace-id", trace_id(shared))
}

pub(crate) fn refuse(shared: &Shared, call: &mut Call, refusal: &Refusal) -> Answer {
    call.code = Some(refusal.code);
    let trace_id = trace_id(shared);
    let answer = Answer::json(refusal.status, &refusal.body(&trace_id));
    let answer = answer.with("x-fb-trace-id", trace_id);
    match refusal.retry_after {
        Some(seconds) => answer.with("retry-after", seconds.to_string()),
        None => answer,
    }
}

fn trace_id(shared: &Shared) -> String {
    format!("A{}", STANDARD.encode(&shared.ids.fresh()[..15]))
}

pub(crate) async fn end(shared: &Shared, mut call: Call, ending: Ending) -> Response {
    call.response_status = ending.status();
    lock(&shared.journal).record(call);
    ending.respond().await
}
