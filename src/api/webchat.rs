//! The visitor's side of web chat: `/webchat/{publicKey}/…`, called by pages of other
//! sites. Who may call is told by the header `Origin`, which a page cannot choose; which
//! visitor it is, by a token. No cookies: a page is never let in by what a browser keeps.

use super::reading::{self, Name};
use super::sending::marked;
use super::{Answer, Call, Refusal, auth, content, json_response, no_content, problem};
use crate::channel::Invalid;
use crate::gateway::{
    Error, Gateway, Idempotency, NewSession, Ports, Post, Posted, Session, Site, Visit,
};
use crate::model::content::Content;
use crate::model::id::{ConversationId, VisitorId};
use crate::model::visitor::VisitorToken;
use bytes::Bytes;
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, CACHE_CONTROL, ORIGIN, VARY,
};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// What a route does.
#[derive(Clone, Copy, Debug)]
pub enum Action {
    /// A browser asks whether a page may make the request it is about to make.
    Preflight,
    OpenSession,
    Post,
    Poll,
    Read,
    /// Takes note of nothing: no event tells of it.
    Typing,
}

const SESSIONS: &str = "/webchat/{key}/sessions";
const MESSAGES: &str = "/webchat/{key}/messages";
const READ: &str = "/webchat/{key}/read";
const TYPING: &str = "/webchat/{key}/typing";

pub static ROUTES: &[(Method, &str, Action)] = &[
    (Method::OPTIONS, SESSIONS, Action::Preflight),
    (Method::POST, SESSIONS, Action::OpenSession),
    (Method::OPTIONS, MESSAGES, Action::Preflight),
    (Method::GET, MESSAGES, Action::Poll),
    (Method::POST, MESSAGES, Action::Post),
    (Method::OPTIONS, READ, Action::Preflight),
    (Method::POST, READ, Action::Read),
    (Method::OPTIONS, TYPING, Action::Preflight),
    (Method::POST, TYPING, Action::Typing),
];

/// How long a request may wait for a message.
const LONGEST_WAIT_S: u32 = 25;
/// Where counts stay exact in every client.
const HIGHEST_SEQ: i64 = (1 << 53) - 1;
/// As long as an address may be (RFC 5321 §4.5.3.1.3).
const LONGEST_EMAIL: usize = 254;
const LONGEST_NAME: usize = 255;

pub async fn handle<P: Ports>(
    gateway: &Gateway<P>,
    action: Action,
    call: &Call<'_>,
) -> Response<Bytes> {
    answer(gateway, action, call)
        .await
        .unwrap_or_else(|refusal| problem::render(&refusal, call.request_id))
}

async fn answer<P: Ports>(gateway: &Gateway<P>, action: Action, call: &Call<'_>) -> Answer {
    let site = site(call.parameter("key"), call.request);
    if !is_public_key(site.public_key) {
        return Err(Error::not_found("web chat").into());
    }
    match action {
        Action::Preflight => {
            gateway.check_site(site).await?;
            Ok(preflight())
        }
        Action::OpenSession => open_session(gateway, site, call).await,
        Action::Post => {
            let visit = visit(gateway, site, call).await?;
            post(gateway, visit, call).await
        }
        Action::Poll => {
            let visit = visit(gateway, site, call).await?;
            poll(gateway, visit, call).await
        }
        Action::Read => {
            #[derive(Deserialize)]
            struct Wire {
                seq: i64,
            }
            let visit = visit(gateway, site, call).await?;
            let Wire { seq } = reading::body(call)?;
            if !(0..=HIGHEST_SEQ).contains(&seq) {
                return Err(Error::invalid("/seq", "must be the seq of a message").into());
            }
            gateway.mark_read(visit, seq).await?;
            Ok(no_content())
        }
        Action::Typing => {
            visit(gateway, site, call).await?;
            Ok(no_content())
        }
    }
}

/// Lets pages of allowed sites read an answer, whichever it is, errors included.
pub async fn share<P: Ports>(
    gateway: &Gateway<P>,
    request: &Request<Bytes>,
    response: &mut Response<Bytes>,
) {
    let Some(rest) = request.uri().path().strip_prefix("/webchat/") else {
        return;
    };
    let site = site(rest.split('/').next().unwrap_or(""), request);
    let headers = response.headers_mut();
    headers.insert(VARY, HeaderValue::from_static("Origin"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    let Some(origin) = request.headers().get(ORIGIN) else {
        return;
    };
    if is_public_key(site.public_key) && gateway.allows_site(site).await {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        headers.insert(
            ACCESS_CONTROL_EXPOSE_HEADERS,
            HeaderValue::from_static("x-request-id, idempotency-replayed, retry-after"),
        );
    }
}

/// The page that asks. Of several origins, or one that is not text, none is believed.
fn site<'a>(public_key: &'a str, request: &'a Request<Bytes>) -> Site<'a> {
    let mut origins = request.headers().get_all(ORIGIN).iter();
    let origin = origins.next().and_then(|origin| origin.to_str().ok());
    Site {
        public_key,
        origin: origin.filter(|_| origins.next().is_none()),
    }
}

/// The form of those we give: others are answered without a look at the database.
fn is_public_key(text: &str) -> bool {
    text.len() == 24 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn preflight() -> Response<Bytes> {
    let mut response = no_content();
    let headers = response.headers_mut();
    for (name, value) in [
        (ACCESS_CONTROL_ALLOW_METHODS, "GET, POST"),
        (
            ACCESS_CONTROL_ALLOW_HEADERS,
            "authorization, content-type, idempotency-key",
        ),
        // As long as browsers keep it at most.
        (ACCESS_CONTROL_MAX_AGE, "7200"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

async fn open_session<P: Ports>(gateway: &Gateway<P>, site: Site<'_>, call: &Call<'_>) -> Answer {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Wire {
        name: Option<Name>,
        email: Option<String>,
        user_id: Option<String>,
        user_hash: Option<String>,
    }
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Opened<'a> {
        visitor_id: VisitorId,
        token: &'a str,
        conversation_id: ConversationId,
    }
    gateway.check_site(site).await?;
    // Whoever asks has no token yet: the address Cloudflare saw it come from counts.
    let address = call.request.headers().get("cf-connecting-ip");
    let address = address.and_then(|address| address.to_str().ok());
    let caller = format!("webchat:{}", address.unwrap_or(site.public_key));
    if !gateway.ports.admits(&caller).await {
        return Err(Error::RateLimited.into());
    }
    let wire: Wire = reading::body(call)?;
    if wire.email.as_ref().is_some_and(|email| !is_email(email)) {
        return Err(Error::invalid("/email", "must be an e-mail address").into());
    }
    if wire.user_id.as_ref().is_some_and(|id| !is_name(id)) {
        return Err(Error::invalid(
            "/userId",
            "must be 1 to 255 bytes without control characters",
        )
        .into());
    }
    if wire.user_id.is_none() && wire.user_hash.is_some() {
        return Err(Error::invalid("/userId", "is required with a userHash").into());
    }
    let new = NewSession {
        name: wire.name.map(|name| name.0),
        email: wire.email,
        user_id: wire.user_id,
        user_hash: wire.user_hash,
    };
    let Session {
        visitor_id,
        token,
        conversation_id,
    } = gateway.open_session(site, &new).await?;
    let opened = Opened {
        visitor_id,
        token: token.reveal(),
        conversation_id,
    };
    Ok(json_response(StatusCode::CREATED, &opened))
}

/// The visitor whose token a request shows.
async fn visit<'a, P: Ports>(
    gateway: &Gateway<P>,
    site: Site<'a>,
    call: &Call<'_>,
) -> Result<Visit<'a>, Error> {
    let headers = call.request.headers();
    let Some(token) = auth::token(headers).and_then(VisitorToken::parse) else {
        gateway.check_site(site).await?;
        return Err(Error::unknown_visitor());
    };
    if !gateway.ports.admits(&token.hash()).await {
        return Err(Error::RateLimited);
    }
    gateway.visit(site, &token).await
}

async fn post<P: Ports>(gateway: &Gateway<P>, visit: Visit<'_>, call: &Call<'_>) -> Answer {
    let json = reading::parse(call)?;
    let (scope, key_refusal) = match auth::idempotency_key(call.request.headers()) {
        Ok(key) => (key, None),
        Err(refusal) => (None, Some(refusal)),
    };
    let own_id = json.get("clientMessageId").and_then(Value::as_str);
    let idempotency = Idempotency {
        scope,
        client_message_id: own_id.filter(|id| is_name(id)).map(str::to_owned),
        fingerprint: auth::fingerprint(&json),
    };
    let wanted = match key_refusal {
        Some(refusal) => Err(refusal),
        None => read_post(json),
    };
    let (posted, is_replay) = gateway.take_post(visit, &idempotency, wanted).await?;
    let response = json_response(StatusCode::CREATED, &posted);
    Ok(marked(response, is_replay))
}

fn read_post(mut json: Value) -> Result<Post, Error> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Wire {
        client_message_id: String,
    }
    let content = reading::take(&mut json, "content");
    let wire: Wire = reading::read(json, "")?;
    if !is_name(&wire.client_message_id) {
        return Err(Error::invalid(
            "/clientMessageId",
            "must be 1 to 255 bytes without control characters",
        ));
    }
    let content = content.ok_or_else(|| Error::invalid("/content", "is required"))?;
    if !content.is_object() {
        return Err(Error::invalid("/content", "must be an object"));
    }
    let kind = content.get("type").and_then(Value::as_str).unwrap_or("");
    // A kind that there is, and that visitors have no use for.
    if !matches!(kind, "text" | "reply" | "unsupported") && content.get("type").is_some_and(is_kind)
    {
        return Err(Error::UnsupportedContent(Invalid::new(
            "/content/type",
            format!("visitors cannot send {kind}"),
        )));
    }
    if kind == "unsupported" {
        return Err(Error::invalid(
            "/content/type",
            "is for inbound messages only",
        ));
    }
    Ok(Post {
        content: content::read(content)?,
        client_message_id: wire.client_message_id,
    })
}

/// Whether there is such a content.
fn is_kind(kind: &Value) -> bool {
    let wrong = Content::read(json!({ "type": kind })).err();
    wrong.is_none_or(|wrong| wrong.pointer != "/type")
}

async fn poll<P: Ports>(gateway: &Gateway<P>, visit: Visit<'_>, call: &Call<'_>) -> Answer {
    #[derive(Serialize)]
    struct Listed {
        data: Vec<Posted>,
    }
    let after = number(call, "after", HIGHEST_SEQ)?;
    let wait_s = number(call, "wait", i64::from(LONGEST_WAIT_S))?;
    let wait_s = u32::try_from(wait_s).unwrap_or(LONGEST_WAIT_S);
    let peeks = call.request.method() == Method::HEAD;
    let data = gateway.poll(visit, after, wait_s, peeks).await?;
    Ok(json_response(StatusCode::OK, &Listed { data }))
}

/// A whole number of the query, 0 where it is not given.
fn number(call: &Call<'_>, name: &str, most: i64) -> Result<i64, Refusal> {
    let Some(text) = call.query(name) else {
        return Ok(0);
    };
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse().ok().filter(|number| *number <= most);
    number.filter(|_| is_number).ok_or_else(|| {
        let detail = format!("must be a whole number from 0 to {most}");
        Error::invalid(format!("/{name}"), detail).into()
    })
}

fn is_name(text: &str) -> bool {
    (1..=LONGEST_NAME).contains(&text.len()) && !text.chars().any(char::is_control)
}

/// Whether mail could go there. Nobody checks that it does.
fn is_email(text: &str) -> bool {
    let is_plain = !text.chars().any(|c| c.is_control() || c.is_whitespace());
    let parts = text.rsplit_once('@');
    is_plain
        && text.len() <= LONGEST_EMAIL
        && parts.is_some_and(|(name, host)| !name.is_empty() && !host.is_empty())
}
