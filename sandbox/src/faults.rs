//! Everything that can go wrong between the gateway and a provider, on demand.
//!
//! A fault is set for one recipient or for `*` and plays on the next messages to it.
//! Only sends of messages are touched; read marks and typing signs are left alone.

use std::hash::{BuildHasher, RandomState};
use std::pin::Pin;
use std::sync::Mutex;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};
use http_body::Frame;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::time::Sleep;

use crate::account::is_same;
use crate::state::lock;

/// What to do to the messages of one recipient.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Fault {
    /// Digits, a user id, a chat id, or `*` for everyone. A `+` makes no difference.
    pub recipient: String,
    pub mode: FaultMode,
    /// How many messages it plays on. Absent: until the faults are cleared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u32>,
    /// The provider's own error code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<i64>,
    /// The HTTP status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delay_ms: Option<u64>,
}

#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum FaultMode {
    /// Refused with a provider error.
    Fail,
    /// Refused for going too fast, with the time to wait.
    Throttle,
    /// Refused as if the token had been revoked.
    Unauthorized,
    /// Refused with the provider's own "something went wrong".
    CodedServerError,
    /// Refused by a proxy in front of the provider, with a page of HTML.
    ServerError,
    /// Not accepted and never answered.
    Hang,
    /// Not accepted; the connection breaks before the first byte of an answer.
    Reset,
    /// Accepted and never answered.
    HangAccepted,
    /// Accepted; the connection breaks before the first byte of an answer.
    AcceptReset,
    /// Accepted; the connection breaks in the middle of the answer.
    Truncate,
    /// Accepted and answered late.
    Slow,
    /// Accepted, then reported as failed. Messenger, Instagram and Telegram have no such report, so there it is
    /// only accepted.
    FailLater,
}

impl Fault {
    pub fn new(recipient: impl Into<String>, mode: FaultMode) -> Self {
        Self {
            recipient: recipient.into(),
            mode,
            times: None,
            code: None,
            status: None,
            retry_after: None,
            delay_ms: None,
        }
    }

    pub fn times(mut self, times: u32) -> Self {
        self.times = Some(times);
        self
    }

    pub fn code(mut self, code: i64) -> Self {
        self.code = Some(code);
        self
    }

    pub fn status(mut self, status: u16) -> Self {
        self.status = Some(status);
        self
    }

    pub fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    pub fn delay_ms(mut self, delay_ms: u64) -> Self {
        self.delay_ms = Some(delay_ms);
        self
    }

    pub(crate) fn http_status(&self, otherwise: u16) -> StatusCode {
        let status = self.status.unwrap_or(otherwise);
        StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// How the call ends if the fault keeps the message from being accepted.
    ///
    /// `refusal` words the provider's own error; `None` means the message goes on.
    pub(crate) fn refuses(&self, refusal: impl FnOnce(&Fault) -> Answer) -> Option<Ending> {
        match self.mode {
            FaultMode::Fail
            | FaultMode::Throttle
            | FaultMode::Unauthorized
            | FaultMode::CodedServerError => Some(Ending::Answer(refusal(self))),
            FaultMode::ServerError => Some(Ending::Answer(Answer {
                status: self.http_status(500),
                headers: vec![("content-type", "text/html; charset=utf-8".to_owned())],
                body: Bytes::from_static(
                    b"<html><body><h1>Sorry, something went wrong.</h1></body></html>",
                ),
            })),
            FaultMode::Hang => Some(Ending::Hang),
            FaultMode::Reset => Some(Ending::Reset),
            FaultMode::HangAccepted
            | FaultMode::AcceptReset
            | FaultMode::Truncate
            | FaultMode::Slow
            | FaultMode::FailLater => None,
        }
    }

    /// How the call ends once the message is accepted.
    pub(crate) fn ends(&self, answer: Answer) -> Ending {
        match self.mode {
            FaultMode::HangAccepted => Ending::Hang,
            FaultMode::AcceptReset => Ending::Reset,
            FaultMode::Truncate => Ending::Truncate(answer),
            FaultMode::Slow => {
                Ending::Late(Duration::from_millis(self.delay_ms.unwrap_or(1000)), answer)
            }
            FaultMode::Fail
            | FaultMode::Throttle
            | FaultMode::Unauthorized
            | FaultMode::CodedServerError
            | FaultMode::ServerError
            | FaultMode::Hang
            | FaultMode::Reset
            | FaultMode::FailLater => Ending::Answer(answer),
        }
    }
}

impl FaultMode {
    pub(crate) fn name(self) -> &'static str {
        match self {
            FaultMode::Fail => "fail",
            FaultMode::Throttle => "throttle",
            FaultMode::Unauthorized => "unauthorized",
            FaultMode::CodedServerError => "codedServerError",
            FaultMode::ServerError => "serverError",
            FaultMode::Hang => "hang",
            FaultMode::Reset => "reset",
            FaultMode::HangAccepted => "hangAccepted",
            FaultMode::AcceptReset => "acceptReset",
            FaultMode::Truncate => "truncate",
            FaultMode::Slow => "slow",
            FaultMode::FailLater => "failLater",
        }
    }
}

/// Faults that play by chance, on messages that no other is set for.
#[derive(Clone, Debug)]
pub struct Weather {
    /// On how many of a thousand messages one plays.
    pub per_mille: u32,
    /// One of them, each as likely.
    pub faults: Vec<Fault>,
}

/// The faults now set, in the order they play.
#[derive(Default)]
pub(crate) struct Faults {
    set: Mutex<Vec<Fault>>,
    weather: Mutex<Option<Weather>>,
}

impl Faults {
    /// Queues a fault behind those of the same recipient; one without an end gives way to it.
    pub(crate) fn add(&self, fault: Fault) {
        let mut faults = lock(&self.set);
        faults.retain(|set| set.recipient != fault.recipient || set.times.is_some());
        faults.push(fault);
    }

    pub(crate) fn clear(&self) {
        lock(&self.set).clear();
        *lock(&self.weather) = None;
    }

    pub(crate) fn list(&self) -> Vec<Fault> {
        lock(&self.set).clone()
    }

    pub(crate) fn brew(&self, weather: Weather) {
        *lock(&self.weather) = Some(weather);
    }

    fn by_chance(&self) -> Option<Fault> {
        let weather = lock(&self.weather);
        let weather = weather.as_ref()?;
        // A new hasher's keys are random.
        let drawn = RandomState::new().hash_one(());
        let plays = drawn % 1000 < u64::from(weather.per_mille);
        let which = (drawn / 1000) as usize % weather.faults.len().max(1);
        weather.faults.get(which).filter(|_| plays).cloned()
    }

    /// Takes one turn of the fault set for a recipient, its own before everyone's.
    pub(crate) fn take(&self, recipient: &str) -> Option<Fault> {
        let mut faults = lock(&self.set);
        let position = |name| faults.iter().position(|set| is_same(&set.recipient, name));
        let Some(index) = position(recipient).or_else(|| position("*")) else {
            return self.by_chance();
        };
        let taken = faults[index].clone();
        if let Some(times) = taken.times {
            if times <= 1 {
                faults.remove(index);
            } else {
                faults[index].times = Some(times - 1);
            }
        }
        Some(taken)
    }
}

/// A whole answer, kept in parts so that it can also be sent in part.
pub(crate) struct Answer {
    pub status: StatusCode,
    pub headers: Vec<(&'static str, String)>,
    pub body: Bytes,
}

impl Answer {
    pub(crate) fn json(status: StatusCode, body: &Value) -> Self {
        Self {
            status,
            headers: vec![("content-type", "application/json; charset=UTF-8".to_owned())],
            body: Bytes::from(body.to_string()),
        }
    }

    pub(crate) fn empty(status: StatusCode) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Bytes::new(),
        }
    }

    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    fn into_response(self, body: Body) -> Response {
        let mut response = Response::new(body);
        *response.status_mut() = self.status;
        for (name, value) in self.headers {
            if let Ok(value) = HeaderValue::from_str(&value) {
                response.headers_mut().insert(name, value);
            }
        }
        response
    }
}

/// How a call ends for the client.
pub(crate) enum Ending {
    Answer(Answer),
    Late(Duration, Answer),
    Truncate(Answer),
    Hang,
    Reset,
}

/// Marks a response that must not be written: the connection is dropped instead.
#[derive(Clone, Copy)]
pub(crate) struct Abort;

impl Ending {
    /// The status the client gets to see, if it sees one.
    pub(crate) fn status(&self) -> Option<u16> {
        match self {
            Ending::Answer(answer) | Ending::Late(_, answer) | Ending::Truncate(answer) => {
                Some(answer.status.as_u16())
            }
            Ending::Hang | Ending::Reset => None,
        }
    }

    pub(crate) async fn respond(self) -> Response {
        match self {
            Ending::Answer(answer) => {
                let body = Body::from(answer.body.clone());
                answer.into_response(body)
            }
            Ending::Late(delay, answer) => {
                tokio::time::sleep(delay).await;
                let body = Body::from(answer.body.clone());
                answer.into_response(body)
            }
            Ending::Truncate(answer) => {
                let length = answer.body.len();
                let half = answer.body.slice(..length / 2);
                let mut response = answer.into_response(Body::new(Truncated::new(half)));
                response
                    .headers_mut()
                    .insert(header::CONTENT_LENGTH, HeaderValue::from(length));
                response
            }
            Ending::Hang => std::future::pending().await,
            Ending::Reset => {
                let mut response = Response::new(Body::empty());
                response.extensions_mut().insert(Abort);
                response
            }
        }
    }
}

/// A body that sends its first bytes and then breaks.
struct Truncated {
    first: Option<Bytes>,
    /// Leaves the server the time to put the first bytes on the wire.
    pause: Pin<Box<Sleep>>,
}

impl Truncated {
    fn new(first: Bytes) -> Self {
        Self {
            first: Some(first),
            pause: Box::pin(tokio::time::sleep(Duration::from_millis(30))),
        }
    }
}

impl http_body::Body for Truncated {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(Ok(Frame::data(first))));
        }
        self.pause
            .as_mut()
            .poll(cx)
            .map(|()| Some(Err(std::io::ErrorKind::ConnectionAborted.into())))
    }
}
