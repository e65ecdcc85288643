//! Hosts of media that mean harm, or do it by mistake: `/hostile/{how}`.

mod script;

use std::collections::BTreeMap;
use std::iter;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Json, Path, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode, header};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::fetches::Asked;
use crate::files::Served;
use crate::server::Surplus;
use crate::state::{Shared, lock};
use script::{Script, Step};

/// What a host of media does instead of serving a file.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum How {
    /// Redirects to the address in `?to=`, or to `landing`.
    Redirect,
    /// Redirects to `landing`, on this machine.
    RedirectLoopback,
    /// Redirects to an address of private networks.
    RedirectPrivate,
    /// Redirects to where clouds keep their machines' credentials.
    RedirectMetadata,
    /// Redirects ten times, or `?left=` times, before it serves an image.
    RedirectChain,
    /// Redirects to itself.
    RedirectLoop,
    /// Serves an image. Whoever comes here followed one of the others.
    Landing,
    /// States a length of 1000 bytes, sends 400 and breaks off.
    LengthTooLong,
    /// States a length of 400 bytes and sends 1000.
    LengthTooShort,
    /// Never ends.
    Endless,
    /// States no length, though it has an end.
    Chunked,
    /// Sends one byte a second, for an hour.
    Slow,
    /// Fails with status 500.
    Error,
    /// Says there is no such file.
    NotFound,
    /// A page that says it is an image.
    HtmlAsImage,
    /// A page with a script.
    Html,
    /// A drawing with a script.
    Svg,
    /// 640 KB that say they are an image of 98 MB, compressed.
    GzipBomb,
}

impl How {
    pub(crate) fn name(self) -> String {
        let name = json!(self);
        name.as_str().unwrap_or_default().to_owned()
    }
}

/// What was asked of a hostile host.
#[derive(Clone, Debug, Serialize)]
pub struct HostileCount {
    pub how: How,
    pub requests: u64,
    pub bytes: u64,
}

/// The counts of the hostile hosts.
#[derive(Default)]
pub(crate) struct Hostile(Mutex<BTreeMap<How, Arc<Served>>>);

impl Hostile {
    fn of(&self, how: How) -> Arc<Served> {
        Arc::clone(lock(&self.0).entry(how).or_default())
    }

    pub(crate) fn counts(&self) -> Vec<HostileCount> {
        let counts = lock(&self.0);
        let counts = counts.iter().map(|(how, served)| {
            let (requests, bytes) = served.count();
            HostileCount {
                how: *how,
                requests,
                bytes,
            }
        });
        counts.collect()
    }

    pub(crate) fn reset(&self) {
        lock(&self.0).clear();
    }
}

pub(crate) fn router() -> Router<Arc<Shared>> {
    type S = State<Arc<Shared>>;
    let play = get(
        async |State(shared): S, Path(path): Path<Vec<(String, String)>>, request: Request| {
            let how = path.into_iter().next().map(|(_, how)| json!(how));
            let how = how.and_then(|how| serde_json::from_value(how).ok());
            let asked = Asked::new("hostile", &request);
            match how {
                Some(how) => answer(&shared, &asked, how),
                None => StatusCode::NOT_FOUND.into_response(),
            }
        },
    );
    Router::new()
        .route(
            "/sandbox/hostile",
            get(async |State(shared): S| Json(json!({"data": shared.hostile.counts()}))),
        )
        .route("/hostile/{how}", play.clone())
        // For those who look at what an address ends with.
        .route("/hostile/{how}/{name}", play)
}

/// Does what a hostile host does, and counts it.
pub(crate) fn answer(shared: &Shared, asked: &Asked, how: How) -> Response {
    let served = shared.hostile.of(how);
    served.requests.fetch_add(1, Ordering::Relaxed);
    let mut response = play(&shared.base_url, asked, how);
    let bytes = shared.fetches.record(asked, None, response.status());
    let body = std::mem::take(response.body_mut());
    *response.body_mut() = Body::new(script::Counted::new(body, move |count| {
        served.bytes.fetch_add(count, Ordering::Relaxed);
        bytes.fetch_add(count, Ordering::Relaxed);
    }));
    response
}

fn play(base_url: &str, asked: &Asked, how: How) -> Response {
    let here = |path: &str| redirect(&format!("{base_url}/hostile/{path}"));
    match how {
        How::Redirect => match asked.parameter("to") {
            Some(to) => redirect(&to),
            None => here("landing"),
        },
        How::RedirectLoopback => here("landing"),
        How::RedirectPrivate => redirect("http://10.0.0.1/image.png"),
        How::RedirectMetadata => redirect("http://169.254.169.254/latest/meta-data/"),
        How::RedirectChain => {
            let left = asked.parameter("left").and_then(|left| left.parse().ok());
            match left.unwrap_or(10_u32) {
                0 => image(&PNG),
                left => here(&format!("redirect-chain?left={}", left - 1)),
            }
        }
        How::RedirectLoop => here("redirect-loop"),
        How::Landing => image(&PNG),
        How::LengthTooLong => {
            let steps = [
                Step::Send(Bytes::from_static(&[0; 400])),
                // Leaves the server the time to put them on the wire.
                Step::Wait(Duration::from_millis(30)),
                Step::Break,
            ];
            with(scripted("image/png", steps), header::CONTENT_LENGTH, "1000")
        }
        How::LengthTooShort => {
            let mut response = image(&[0; 400]);
            let surplus = Surplus(Bytes::from_static(&[0; 600]));
            response.extensions_mut().insert(surplus);
            // What comes after the stated length comes before the end of the connection.
            with(response, header::CONNECTION, "close")
        }
        How::Endless => {
            let block = Step::Send(Bytes::from_static(&[0; 16 * 1024]));
            scripted("image/png", iter::repeat(block))
        }
        How::Chunked => scripted(
            "image/png",
            PNG.chunks(16).map(Bytes::from_static).map(Step::Send),
        ),
        How::Slow => {
            let pace = [
                Step::Send(Bytes::from_static(&[0])),
                Step::Wait(Duration::from_secs(1)),
            ];
            let steps = iter::repeat_n(pace, 3600).flatten();
            with(scripted("image/png", steps), header::CONTENT_LENGTH, "3600")
        }
        How::Error => (StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error").into_response(),
        How::NotFound => (StatusCode::NOT_FOUND, "Not Found").into_response(),
        How::HtmlAsImage => with(PAGE.into_response(), header::CONTENT_TYPE, "image/png"),
        How::Html => with(PAGE.into_response(), header::CONTENT_TYPE, "text/html"),
        How::Svg => with(
            DRAWING.into_response(),
            header::CONTENT_TYPE,
            "image/svg+xml",
        ),
        How::GzipBomb => {
            let steps = script::bomb().map(Step::Send);
            with(
                scripted("image/png", steps),
                header::CONTENT_ENCODING,
                "gzip",
            )
        }
    }
}

const PAGE: &str =
    "<!doctype html><title>Not an image</title><script>alert(document.domain)</script>";
const DRAWING: &str = "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"1\" height=\"1\">\
    <script>alert(document.domain)</script></svg>";
/// One grey pixel.
static PNG: [u8; 67] = *b"\x89\x50\x4e\x47\x0d\x0a\x1a\x0a\x00\x00\x00\x0d\x49\x48\x44\x52\x00\x00\x00\x01\x00\x00\x00\x01\
    \x08\x00\x00\x00\x00\x3a\x7e\x9b\x55\x00\x00\x00\x0a\x49\x44\x41\x54\x78\x9c\x63\x68\x00\x00\x00\
    \x82\x00\x81\x77\xcd\x72\xb6\x00\x00\x00\x00\x49\x45\x4e\x44\xae\x42\x60\x82";

fn image(bytes: &'static [u8]) -> Response {
    with(bytes.into_response(), header::CONTENT_TYPE, "image/png")
}

fn scripted(
    content_type: &'static str,
    steps: impl IntoIterator<Item = Step, IntoIter: Send + Unpin + 'static>,
) -> Response {
    let body = Body::new(Script::new(steps.into_iter()));
    with(Response::new(body), header::CONTENT_TYPE, content_type)
}

fn redirect(to: &str) -> Response {
    with(StatusCode::FOUND.into_response(), header::LOCATION, to)
}

fn with(mut response: Response, name: HeaderName, value: &str) -> Response {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
    response
}
