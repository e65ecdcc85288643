//! A webhook subscriber to point endpoints at, which keeps what it receives.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Json, Path, Query, State};
use axum::response::Response;
use axum::routing::post;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use crate::state::{Shared, lock, now, timestamp};

/// Events kept per subscriber before the oldest are forgotten.
const EVENTS_KEPT: usize = 50_000;

/// One webhook as it was received.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// Counts up from 1 in each subscriber.
    pub n: u64,
    pub received_at: String,
    /// The `webhook-id` header.
    pub id: Option<String>,
    /// The `type` of the body.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// What was answered. Absent: nothing was.
    pub answered: Option<u16>,
    pub headers: BTreeMap<String, String>,
    /// The body as it came.
    pub body: String,
}

/// How a subscriber answers.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Behaviour {
    #[serde(default = "ok")]
    pub status: u16,
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// For how many events. Absent: until it is set again.
    #[serde(default)]
    pub times: Option<u32>,
    #[serde(default)]
    pub delay_ms: u64,
    /// Never answers.
    #[serde(default)]
    pub hang: bool,
}

impl Behaviour {
    pub fn status(status: u16) -> Self {
        Self {
            status,
            headers: BTreeMap::new(),
            times: None,
            delay_ms: 0,
            hang: false,
        }
    }

    pub fn times(mut self, times: u32) -> Self {
        self.times = Some(times);
        self
    }
}

impl Default for Behaviour {
    fn default() -> Self {
        Self::status(ok())
    }
}

fn ok() -> u16 {
    200
}

/// All subscribers by name. Any name is one, as soon as it is used.
#[derive(Default)]
pub(crate) struct Subscribers {
    boxes: Mutex<HashMap<String, Inbox>>,
    arrived: Notify,
}

#[derive(Default)]
struct Inbox {
    events: VecDeque<Arc<Event>>,
    last: u64,
    behaviour: Behaviour,
}

impl Subscribers {
    pub(crate) fn set(&self, name: &str, behaviour: Behaviour) {
        lock(&self.boxes)
            .entry(name.to_owned())
            .or_default()
            .behaviour = behaviour;
    }

    fn receive(&self, name: &str, headers: &HeaderMap, body: &Bytes) -> Behaviour {
        let mut boxes = lock(&self.boxes);
        let inbox = boxes.entry(name.to_owned()).or_default();
        let behaviour = inbox.behaviour.clone();
        if let Some(times) = behaviour.times {
            if times <= 1 {
                inbox.behaviour = Behaviour::default();
            } else {
                inbox.behaviour.times = Some(times - 1);
            }
        }
        let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        let kind = serde_json::from_slice::<Value>(body).ok();
        inbox.last += 1;
        if inbox.events.len() == EVENTS_KEPT {
            inbox.events.pop_front();
        }
        inbox.events.push_back(Arc::new(Event {
            n: inbox.last,
            received_at: timestamp(now()),
            id: headers.get("webhook-id").map(text),
            kind: kind.and_then(|body| Some(body.get("type")?.as_str()?.to_owned())),
            answered: (!behaviour.hang).then_some(behaviour.status),
            headers: headers
                .iter()
                .map(|(name, value)| (name.to_string(), text(value)))
                .collect(),
            body: String::from_utf8_lossy(body).into_owned(),
        }));
        drop(boxes);
        self.arrived.notify_waiters();
        behaviour
    }

    /// The number of the last event.
    fn last(&self, name: &str) -> u64 {
        lock(&self.boxes).get(name).map_or(0, |inbox| inbox.last)
    }

    /// Newest first, only those after `after`.
    pub(crate) fn events(&self, name: &str, after: u64, limit: usize) -> Vec<Arc<Event>> {
        let boxes = lock(&self.boxes);
        let events = boxes
            .get(name)
            .into_iter()
            .flat_map(|inbox| inbox.events.iter().rev());
        let wanted = events.take_while(|event| event.n > after).take(limit);
        wanted.cloned().collect()
    }

    /// The same, once there is at least one or the time is over.
    pub(crate) async fn wait(
        &self,
        name: &str,
        after: u64,
        limit: usize,
        patience: Duration,
    ) -> Vec<Arc<Event>> {
        let deadline = Instant::now() + patience;
        loop {
            // Listening starts before looking, so that nothing arrives unseen in between.
            let arrived = self.arrived.notified();
            let mut arrived = std::pin::pin!(arrived);
            arrived.as_mut().enable();
            let events = self.events(name, after, limit);
            if !events.is_empty() || timeout_at(deadline, arrived).await.is_err() {
                return events;
            }
        }
    }

    pub(crate) fn clear(&self, name: &str) {
        if let Some(inbox) = lock(&self.boxes).get_mut(name) {
            inbox.events.clear();
        }
    }

    /// Names, each with how many events it keeps.
    pub(crate) fn names(&self) -> BTreeMap<String, usize> {
        let boxes = lock(&self.boxes);
        let names = boxes
            .iter()
            .map(|(name, inbox)| (name.clone(), inbox.events.len()));
        names.collect()
    }
}

pub(crate) fn router() -> Router<Arc<Shared>> {
    Router::new().route(
        "/subscriber/{name}",
        post(receive).get(events).delete(clear),
    )
}

async fn receive(
    State(shared): State<Arc<Shared>>,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let behaviour = shared.subscribers.receive(&name, &headers, &body);
    if behaviour.hang {
        std::future::pending::<()>().await;
    }
    tokio::time::sleep(Duration::from_millis(behaviour.delay_ms)).await;
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::from_u16(behaviour.status).unwrap_or_default();
    for (name, value) in &behaviour.headers {
        if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), value.parse()) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

#[derive(Deserialize)]
struct Wanted {
    /// Absent: all events, or with `wait` only those yet to come.
    after: Option<u64>,
    limit: Option<usize>,
    /// Seconds.
    #[serde(default)]
    wait: f64,
}

async fn events(
    State(shared): State<Arc<Shared>>,
    Path(name): Path<String>,
    Query(wanted): Query<Wanted>,
) -> Json<Value> {
    let patience = Duration::from_secs_f64(wanted.wait.clamp(0.0, 300.0));
    let limit = wanted.limit.unwrap_or(usize::MAX);
    let subscribers = &shared.subscribers;
    let after = wanted.after.unwrap_or_else(|| {
        if patience.is_zero() {
            0
        } else {
            subscribers.last(&name)
        }
    });
    let events = subscribers.wait(&name, after, limit, patience).await;
    let data: Vec<&Event> = events.iter().map(AsRef::as_ref).collect();
    Json(json!({"data": data}))
}

async fn clear(State(shared): State<Arc<Shared>>, Path(name): Path<String>) -> StatusCode {
    shared.subscribers.clear(&name);
    StatusCode::NO_CONTENT
}
