//! HTTP in, HTTP out: an infallible function over plain values. Each surface is a
//! folder with its routes, its documented JSON, and its own shape of errors.

mod auth;
mod inbound;
mod native;
mod page;
mod problem;

use crate::gateway::{Error, Gateway, Ports};
use crate::model::id::{EventId, Fresh};
use crate::model::time::Timestamp;
use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE};
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use matchit::Router;
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

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What a path means, by method.
#[derive(Clone, Copy, Debug)]
enum Action {
    Health,
    Inbound,
    Native(native::Action),
}

/// A path, what it does by method, and the parameters in it.
type Routes = Router<(&'static str, Vec<(Method, Action)>)>;

fn routes() -> &'static Routes {
    static ROUTES: OnceLock<Routes> = OnceLock::new();
    ROUTES.get_or_init(|| {
        let mut table: Vec<(&'static str, Vec<(Method, Action)>)> = vec![
            ("/healthz", vec![(Method::GET, Action::Health)]),
            (
                "/inbound/{channel}",
                vec![
                    (Method::GET, Action::Inbound),
                    (Method::POST, Action::Inbound),
                ],
            ),
        ];
        for (method, path, action) in native::ROUTES {
            let action = (method.clone(), Action::Native(*action));
            match table.iter_mut().find(|(known, _)| known == path) {
                Some((_, methods)) => methods.push(action),
                None => table.push((path, vec![action])),
            }
        }
        let mut router = Router::new();
        for (path, methods) in table {
            // Two paths that clash would be a defect that every test meets.
            let inserted = router.insert(path, (path, methods));
            debug_assert!(inserted.is_ok(), "{path}");
        }
        router
    })
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
    if request.method() == Method::HEAD {
        *response.body_mut() = Bytes::new();
    }
    let response = identified(response, &request_id);
    gateway.ports.log(
        "request",
        json!({
            "requestId": request_id, "method": request.method().as_str(), "route": route,
            "status": response.status().as_u16(),
        }),
    );
    response
}

async fn answer<P: Ports>(
    gateway: &Gateway<P>,
    request: &Request<Bytes>,
    request_id: &str,
) -> (&'static str, Response<Bytes>) {
    let Ok(found) = routes().at(request.uri().path()) else {
        let response = problem::plain(
            StatusCode::NOT_FOUND,
            "not_found",
            "There is nothing at this path.",
            request_id,
        );
        return ("unknown", response);
    };
    let (route, methods) = found.value;
    let wanted = if request.method() == Method::HEAD {
        &Method::GET
    } else {
        request.method()
    };
    let Some((_, action)) = methods.iter().find(|(method, _)| method == wanted) else {
        return (route, method_not_allowed(methods, request_id));
    };
    if request.extensions().get::<BodyTooLarge>().is_some()
        || request.body().len() > body_limit(request.uri().path())
    {
        let detail = format!(
            "The body may have at most {} bytes.",
            body_limit(request.uri().path())
        );
        let response = problem::plain(
            StatusCode::PAYLOAD_TOO_LARGE,
            "too_large",
            &detail,
            request_id,
        );
        return (route, response);
    }
    if request.extensions().get::<BodyBroken>().is_some() {
        // A provider must repeat what did not arrive whole.
        let (status, code) = match action {
            Action::Inbound => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
            Action::Health | Action::Native(_) => (StatusCode::BAD_REQUEST, "invalid_request"),
        };
        let detail = "The body did not arrive whole.";
        return (route, problem::plain(status, code, detail, request_id));
    }
    let call = Call {
        request,
        parameters: found.params,
        request_id,
    };
    let response = match action {
        Action::Health => health(gateway).await,
        Action::Inbound => inbound::handle(gateway, &call).await,
        Action::Native(action) => native::handle(gateway, *action, &call).await,
    };
    (route, response)
}

fn method_not_allowed(methods: &[(Method, Action)], request_id: &str) -> Response<Bytes> {
    let mut allowed: Vec<&str> = methods.iter().map(|(method, _)| method.as_str()).collect();
    if allowed.contains(&"GET") {
        allowed.push("HEAD");
    }
    let allowed = allowed.join(", ");
    let mut response = problem::plain(
        StatusCode::METHOD_NOT_ALLOWED,
        "method_not_allowed",
        &format!("This path answers {allowed}."),
        request_id,
    );
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
/// that it cannot be served.
#[must_use]
pub fn misconfigured(
    problems: &[String],
    request: &Request<Bytes>,
    now: Timestamp,
    random: [u8; 10],
) -> Response<Bytes> {
    let request_id = EventId::fresh(now, random).to_string();
    let response = if request.uri().path() == "/healthz" {
        unhealthy(problems)
    } else {
        problem::plain(
            StatusCode::SERVICE_UNAVAILABLE,
            "unavailable",
            "This deployment is not configured; see /healthz.",
            &request_id,
        )
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

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Refusal::Gateway(error)
    }
}
