//! HTTP in, HTTP out: an infallible function over plain values. Each surface is a
//! folder with its routes, its documented JSON, and its own shape of errors.

mod auth;
mod chatt2me;
mod cloove;
mod cloud;
mod content;
mod file;
mod inbound;
mod native;
mod openapi;
mod page;
mod problem;
mod reading;
mod sending;
mod template;
mod visito;
mod webchat;
mod whautochat;

pub use auth::idempotency_key;

use crate::gateway::{Error, Gateway, Ports};
use crate::model::id::{EventId, Fresh};
use crate::model::time::Timestamp;
use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE};
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use matchit::Router;
use problem::Told;
use serde_json::json;
use std::sync::OnceLock;

/// Marks a request whose body was over its limit and was not read.
#[derive(Clone, Copy, Debug)]
pub struct BodyTooLarge;

/// Marks a request whose body broke off, or is not in the encoding it claims.
#[derive(Clone, Copy, Debug)]
pub struct BodyBroken;

/// Most bytes of a request's body, by its path.
#[must_use]
pub fn body_limit(path: &str) -> usize {
    const MIB: usize = 1024 * 1024;
    if path.starts_with("/inbound/") {
        4 * MIB
    } else {
        MIB
    }
}

/// Whether a request's body is streamed to where it belongs, and not read before.
#[must_use]
pub fn is_streamed(method: &Method, path: &str) -> bool {
    method == Method::POST && path == "/v1/media"
}

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What a path means, by method.
#[derive(Clone, Copy, Debug)]
enum Action {
    Health,
    Describe,
    Inbound,
    File,
    Native(native::Action),
    Visito(visito::Action),
    Chatt2me(chatt2me::Action),
    Whautochat(whautochat::Action),
    Cloove(cloove::Action),
    Webchat(webchat::Action),
}

/// Whose shape an error takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Surface {
    Native,
    Visito,
    Chatt2me,
    Whautochat,
    Cloove,
}

impl Surface {
    /// The surface that a path belongs to, also where nothing is there.
    fn of(path: &str) -> Self {
        let is_below = |base: &str| {
            path.strip_prefix(base)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let is_whautochat = ["whatsapp", "messenger", "instagram", "telegram"]
            .iter()
            .any(|channel| is_below(&format!("/v1/messages/{channel}")));
        if is_whautochat {
            Surface::Whautochat
        } else if is_below("/v1/communication") || is_below("/v1/organization") {
            Surface::Chatt2me
        } else if is_below("/v1/messaging") {
            Surface::Cloove
        } else if [
            "/channels",
            "/webhooks",
            "/messages",
            "/whatsapp-templates",
            "/m2m/v1",
        ]
        .iter()
        .any(|base| is_below(base))
        {
            Surface::Visito
        } else {
            Surface::Native
        }
    }

    fn problem(self, told: &Told, request_id: &str) -> Response<Bytes> {
        match self {
            Surface::Native => problem::write(told, request_id),
            Surface::Visito => visito::problem(told, request_id),
            Surface::Chatt2me => chatt2me::problem(told, request_id),
            Surface::Whautochat => whautochat::problem(told, request_id),
            Surface::Cloove => cloove::problem(told, request_id),
        }
    }
}

/// A path, and what it does by method.
type Route = (&'static str, Vec<(Method, Action)>);

fn routes() -> &'static Router<Route> {
    static ROUTES: OnceLock<Router<Route>> = OnceLock::new();
    ROUTES.get_or_init(|| {
        let mut router = Router::new();
        for (path, methods) in table() {
            // Two paths that clash would be a defect that every test meets.
            let inserted = router.insert(path, (path, methods));
            debug_assert!(inserted.is_ok(), "{path}");
        }
        router
    })
}

fn table() -> Vec<Route> {
    let mut table = vec![
        ("/healthz", vec![(Method::GET, Action::Health)]),
        ("/openapi.json", vec![(Method::GET, Action::Describe)]),
        ("/media/{link}", vec![(Method::GET, Action::File)]),
        (
            "/inbound/{channel}",
            vec![
                (Method::GET, Action::Inbound),
                (Method::POST, Action::Inbound),
            ],
        ),
    ];
    let all = wrapped(native::ROUTES, Action::Native)
        .chain(wrapped(visito::ROUTES, Action::Visito))
        .chain(wrapped(chatt2me::ROUTES, Action::Chatt2me))
        .chain(wrapped(whautochat::ROUTES, Action::Whautochat))
        .chain(wrapped(cloove::ROUTES, Action::Cloove))
        .chain(wrapped(webchat::ROUTES, Action::Webchat));
    for (method, path, action) in all {
        let action = (method.clone(), action);
        match table.iter_mut().find(|(known, _)| *known == path) {
            Some((_, methods)) => methods.push(action),
            None => table.push((path, vec![action])),
        }
    }
    table
}

/// A surface's routes, as the router's.
fn wrapped<A: Copy>(
    routes: &'static [(Method, &'static str, A)],
    wrap: fn(A) -> Action,
) -> impl Iterator<Item = (&'static Method, &'static str, Action)> {
    let routes = routes.iter();
    routes.map(move |(method, path, action)| (method, *path, wrap(*action)))
}

/// A request on its way through a handler.
struct Call<'a> {
    request: &'a Request<Bytes>,
    parameters: matchit::Params<'a, 'a>,
    request_id: &'a str,
}

impl Call<'_> {
    fn parameter(&self, name: &str) -> &str {
        self.parameters.get(name).unwrap_or("")
    }

    fn query(&self, name: &str) -> Option<String> {
        let query = self.request.uri().query().unwrap_or("");
        url::form_urlencoded::parse(query.as_bytes())
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.into_owned())
    }
}

/// Answers a request. Whatever it holds, there is an answer, and every answer
/// carries `x-request-id`.
pub async fn handle<P: Ports>(gateway: &Gateway<P>, request: Request<Bytes>) -> Response<Bytes> {
    let mut random = [0; 10];
    gateway.ports.random(&mut random);
    let request_id = EventId::fresh(gateway.ports.now(), random).to_string();
    let (route, mut response) = answer(gateway, &request, &request_id).await;
    webchat::share(gateway, &request, &mut response).await;
    if request.method() == Method::HEAD {
        *response.body_mut() = Bytes::new();
    }
    let response = identified(response, &request_id);
    // The others are in Cloudflare's own log of invocations.
    if !response.status().is_success() {
        gateway.ports.log(
            "request",
            json!({
                "requestId": request_id, "method": request.method().as_str(), "route": route,
                "status": response.status().as_u16(),
            }),
        );
    }
    response
}

async fn answer<P: Ports>(
    gateway: &Gateway<P>,
    request: &Request<Bytes>,
    request_id: &str,
) -> (&'static str, Response<Bytes>) {
    let path = request.uri().path();
    let surface = Surface::of(path);
    let refuse =
        |status, code, detail: &str| surface.problem(&Told::new(status, code, detail), request_id);
    let Ok(found) = routes().at(path) else {
        let detail = "There is nothing at this path.";
        let response = refuse(StatusCode::NOT_FOUND, "not_found", detail);
        return ("unknown", response);
    };
    let (route, methods) = found.value;
    let wanted = if request.method() == Method::HEAD {
        &Method::GET
    } else {
        request.method()
    };
    let Some((_, action)) = methods.iter().find(|(method, _)| method == wanted) else {
        return (route, method_not_allowed(methods, surface, request_id));
    };
    let most = body_limit(path);
    if request.extensions().get::<BodyTooLarge>().is_some() || request.body().len() > most {
        let detail = format!("The body may have at most {most} bytes.");
        let response = refuse(StatusCode::PAYLOAD_TOO_LARGE, "too_large", &detail);
        return (route, response);
    }
    if request.extensions().get::<BodyBroken>().is_some() {
        // A provider must repeat what did not arrive whole.
        let (status, code) = if matches!(action, Action::Inbound) {
            (StatusCode::SERVICE_UNAVAILABLE, "unavailable")
        } else {
            (StatusCode::BAD_REQUEST, "invalid_request")
        };
        return (
            route,
            refuse(status, code, "The body did not arrive whole."),
        );
    }
    let call = Call {
        request,
        parameters: found.params,
        request_id,
    };
    let response = match action {
        Action::Health => health(gateway).await,
        Action::Describe => openapi::show(),
        Action::Inbound => inbound::handle(gateway, &call).await,
        Action::File => {
            let answer = file::linked(gateway, &call).await;
            answer.unwrap_or_else(|refusal| problem::render(&refusal, request_id))
        }
        Action::Native(action) => native::handle(gateway, *action, &call).await,
        Action::Visito(action) => visito::handle(gateway, *action, &call).await,
        Action::Chatt2me(action) => chatt2me::handle(gateway, *action, &call).await,
        Action::Whautochat(action) => whautochat::handle(gateway, *action, &call).await,
        Action::Cloove(action) => cloove::handle(gateway, *action, &call).await,
        Action::Webchat(action) => webchat::handle(gateway, *action, &call).await,
    };
    (route, response)
}

fn method_not_allowed(
    methods: &[(Method, Action)],
    surface: Surface,
    request_id: &str,
) -> Response<Bytes> {
    let mut allowed: Vec<&str> = methods.iter().map(|(method, _)| method.as_str()).collect();
    if allowed.contains(&"GET") {
        allowed.push("HEAD");
    }
    let allowed = allowed.join(", ");
    let told = Told::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method_not_allowed",
        &format!("This path answers {allowed}."),
    );
    let mut response = surface.problem(&told, request_id);
    if let Ok(value) = HeaderValue::from_str(&allowed) {
        response.headers_mut().insert(ALLOW, value);
    }
    response
}

async fn health<P: Ports>(gateway: &Gateway<P>) -> Response<Bytes> {
    let problems = gateway.problems().await;
    if problems.is_empty() {
        let body = json!({ "status": "ok", "version": env!("CARGO_PKG_VERSION") });
        return json_response(StatusCode::OK, &body);
    }
    unhealthy(&problems)
}

fn unhealthy(problems: &[String]) -> Response<Bytes> {
    let body = json!({
        "status": "unavailable", "version": env!("CARGO_PKG_VERSION"), "problems": problems,
    });
    json_response(StatusCode::SERVICE_UNAVAILABLE, &body)
}

/// Answers while secrets or variables are missing: `/healthz` says which, all else
/// that it cannot be served, each surface in its own shape.
#[must_use]
pub fn misconfigured(
    problems: &[String],
    request: &Request<Bytes>,
    now: Timestamp,
    random: [u8; 10],
) -> Response<Bytes> {
    let request_id = EventId::fresh(now, random).to_string();
    let path = request.uri().path();
    let response = if path == "/healthz" {
        unhealthy(problems)
    } else {
        let told = Told::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "unavailable",
            "This deployment is not configured; see /healthz.",
        );
        Surface::of(path).problem(&told, &request_id)
    };
    identified(response, &request_id)
}

/// Every answer carries its request's id.
fn identified(mut response: Response<Bytes>, request_id: &str) -> Response<Bytes> {
    if let Ok(value) = HeaderValue::from_str(request_id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    response
}

/// A JSON answer.
fn json_response(status: StatusCode, body: &impl serde::Serialize) -> Response<Bytes> {
    let (status, body) = match serde_json::to_vec(body) {
        Ok(body) => (status, body),
        Err(_) => (StatusCode::INTERNAL_SERVER_ERROR, Vec::new()),
    };
    let mut response = Response::new(Bytes::from(body));
    *response.status_mut() = status;
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, json);
    response
}

fn no_content() -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

/// Why a request could not be answered: refused by a use case, or not even JSON.
enum Refusal {
    NotJson(String),
    Gateway(Error),
}

type Answer = Result<Response<Bytes>, Refusal>;

impl Refusal {
    /// The same refusal where a surface spells its fields in another way.
    fn repointed(self, to: impl Fn(&str) -> String) -> Self {
        match self {
            Refusal::NotJson(_) => self,
            Refusal::Gateway(error) => Refusal::Gateway(error.repointed(to)),
        }
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Refusal::Gateway(error)
    }
}
