//! Telling subscribers: claim a delivery, render and sign it, POST it, record
//! what came of it. The row is the schedule; the queue only hurries it along.

use super::style::{self, Event, Header, Signing};
use super::{Gateway, Ports, Push, Queue};
use crate::channel::retry_after_ms;
use crate::model::access::Environment;
use crate::model::event::{EventType, Style};
use crate::model::id::{EndpointId, EventId, WorkspaceId};
use crate::model::json;
use crate::model::time::{DAY_MS, SECOND_MS, Timestamp};
use crate::store::counters::{self, Counts};
use crate::store::{DatabaseError, Rows, Statement, events};
use crate::webhook;
use bytes::Bytes;
use futures_util::StreamExt;
use http::header::{CONTENT_TYPE, USER_AGENT};
use http::{HeaderName, HeaderValue, Request};
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;

const AT_ONCE: usize = 6;
/// How long a subscriber may take to answer.
const DEADLINE_MS: u32 = 15_000;
const LEASE_MS: i64 = 30 * SECOND_MS;
const LONGEST_RUN_MS: i64 = 20 * SECOND_MS;
/// How much of a subscriber's answer is kept.
const KEPT_BYTES: usize = 1024;

/// What the events queue carries: one event for one endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliveryHint {
    pub endpoint_id: EndpointId,
    pub event_id: EventId,
}

impl DeliveryHint {
    /// Reads a queue message; `None` when it is not one of ours.
    #[must_use]
    pub fn parse(body: &str) -> Option<Self> {
        json::parse(body).ok()
    }

    fn push(&self, delay_s: u32) -> Push {
        Push {
            body: serde_json::to_string(self).unwrap_or_default(),
            delay_s,
        }
    }
}

/// A claimed delivery with its event and endpoint.
#[derive(Deserialize)]
struct Job {
    workspace_id: WorkspaceId,
    endpoint_id: EndpointId,
    event_id: EventId,
    #[serde(rename = "type")]
    kind: String,
    attempt: i64,
    data: String,
    created_at: i64,
    /// None of the endpoint's columns where it was deleted.
    url: Option<String>,
    secret: Option<String>,
    headers: Option<String>,
    style: Option<Style>,
    environment: Option<Environment>,
    /// 0 or 1.
    requires_signature: Option<i64>,
    endpoint_status: Option<String>,
}

impl Job {
    /// The body, and the event it tells of.
    fn render(&self, style: Style) -> Option<(EventType, Bytes)> {
        let kind = EventType::parse(&self.kind)?;
        let event = Event {
            id: self.event_id,
            workspace_id: self.workspace_id,
            kind,
            at: Timestamp::from_ms(self.created_at),
            environment: self.environment?,
            snapshot: json::parse(&self.data).ok()?,
        };
        Some((kind, style::body(style, event)?))
    }
}

/// How an attempt ended.
enum Answer {
    /// Not attempted: the endpoint is deleted or disabled.
    NoEndpoint,
    /// Our own data cannot be rendered or signed; another try would not help.
    Unusable(&'static str),
    Nothing,
    Status {
        status: u16,
        retry_after_ms: Option<i64>,
        body: String,
    },
}

impl<P: Ports> Gateway<P> {
    /// Delivers what the hints point at, six at a time. Run twice, the second finds
    /// nothing due; a crash leaves a lease, after which it is delivered again
    /// under the same id.
    pub async fn publish(&self, hints: Vec<DeliveryHint>) -> Result<(), DatabaseError> {
        let started = self.now();
        let mut waiting = hints;
        let mut token = self.token();
        let rows = self.batch(self.claim_deliveries(&waiting, &token)).await?;
        let mut jobs = read_jobs(rows.into_iter().nth(1))?;
        while !jobs.is_empty() {
            waiting.retain(|hint| {
                !jobs
                    .iter()
                    .any(|job| job.event_id == hint.event_id && job.endpoint_id == hint.endpoint_id)
            });
            let done: Vec<(Job, Answer)> = futures_util::stream::iter(jobs)
                .map(|job| async {
                    let answer = self.post(&job).await;
                    (job, answer)
                })
                .buffer_unordered(AT_ONCE)
                .collect()
                .await;
            let goes_on = self.now().ms() - started.ms() < LONGEST_RUN_MS;
            token = self.token();
            let next = if goes_on && !waiting.is_empty() {
                self.claim_deliveries(&waiting, &token)
            } else {
                vec![]
            };
            jobs = self.record_deliveries(done, next).await?;
            if !goes_on {
                self.push_deliveries(waiting).await;
                return Ok(());
            }
        }
        Ok(())
    }

    fn claim_deliveries(&self, hints: &[DeliveryHint], token: &str) -> Vec<Statement> {
        let hints: Json = hints
            .iter()
            .map(|hint| json!([hint.endpoint_id, hint.event_id]))
            .collect();
        vec![
            events::claim(&hints, token, self.now(), LEASE_MS),
            events::claimed(&hints, token),
        ]
    }

    /// Hints at deliveries that are due now.
    pub(super) async fn push_deliveries(&self, hints: Vec<DeliveryHint>) {
        if !hints.is_empty() {
            let pushes = hints.iter().map(|hint| hint.push(0)).collect();
            self.push(Queue::Events, pushes).await;
        }
    }

    async fn post(&self, job: &Job) -> Answer {
        let (Some(url), Some(sealed), Some(style), Some("enabled")) = (
            &job.url,
            &job.secret,
            job.style,
            job.endpoint_status.as_deref(),
        ) else {
            return Answer::NoEndpoint;
        };
        let Some(secret) = self.open_secret(job.workspace_id, job.endpoint_id, sealed) else {
            return Answer::Unusable("the endpoint's secret does not open");
        };
        let Some((kind, body)) = job.render(style) else {
            return Answer::Unusable("the event cannot be rendered");
        };
        let signing = Signing {
            style,
            is_required: job.requires_signature != Some(0),
            secrets: &[&secret],
            at: self.now(),
        };
        let Some(headers) = style::headers(&signing, job.event_id, kind, &body) else {
            return Answer::Unusable("the event cannot be signed");
        };
        let Some(request) = post(url, job.headers.as_deref(), headers, body) else {
            return Answer::Unusable("the endpoint's URL or headers cannot form a request");
        };
        match self.ports.fetch(request, DEADLINE_MS).await {
            Err(_) => Answer::Nothing,
            Ok(response) => Answer::Status {
                status: response.status().as_u16(),
                retry_after_ms: retry_after_ms(&response),
                body: kept(response.body()),
            },
        }
    }

    async fn record_deliveries(
        &self,
        done: Vec<(Job, Answer)>,
        next: Vec<Statement>,
    ) -> Result<Vec<Job>, DatabaseError> {
        let now = self.now();
        let mut results = Vec::new();
        let mut retries = Vec::new();
        let mut counts = Counts::new();
        for (job, answer) in done {
            let result = self.settle_delivery(&job, &answer, now);
            if let Some(due_at) = result.due_at.filter(|at| at - now.ms() <= DAY_MS) {
                let hint = DeliveryHint {
                    endpoint_id: job.endpoint_id,
                    event_id: job.event_id,
                };
                retries.push(hint.push(now.seconds_until(due_at)));
            }
            self.ports.log(
                "delivery.attempted",
                json!({
                    "endpoint": job.endpoint_id, "event": job.event_id, "attempt": job.attempt,
                    "status": result.status, "responseStatus": result.response_status,
                    "dueAt": result.due_at,
                }),
            );
            let outcome = ("deliveries", result.status.to_owned());
            *counts.entry(outcome).or_default() += 1;
            results.push(result);
        }
        let mut batch = vec![events::record(&json!(results), now)];
        batch.extend(next);
        batch.push(counters::add(&counts, &self.token()));
        let rows = self.batch(batch).await?;
        if !retries.is_empty() {
            self.push(Queue::Events, retries).await;
        }
        read_jobs(rows.into_iter().nth(2))
    }

    fn settle_delivery(&self, job: &Job, answer: &Answer, now: Timestamp) -> DeliveryResult {
        let [jitter] = self.random();
        let retry = |retry_after_ms| {
            webhook::next_wait_ms(job.attempt, retry_after_ms, jitter).map(|wait| now.ms() + wait)
        };
        let mut result = DeliveryResult {
            endpoint: job.endpoint_id,
            event: job.event_id,
            attempt: job.attempt,
            status: "failed",
            due_at: None,
            response_status: None,
            detail: None,
        };
        match answer {
            Answer::NoEndpoint => result.status = "canceled",
            Answer::Unusable(why) => result.detail = Some((*why).to_owned()),
            Answer::Nothing => {
                result.due_at = retry(None);
                result.detail = Some("no complete answer".to_owned());
            }
            Answer::Status {
                status,
                retry_after_ms,
                body,
            } => {
                result.response_status = Some(*status);
                result.detail = Some(body.clone());
                if (200..300).contains(status) {
                    result.status = "delivered";
                } else {
                    result.due_at = retry(*retry_after_ms);
                }
            }
        }
        if result.due_at.is_some() {
            result.status = "pending";
        }
        result
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DeliveryResult {
    endpoint: EndpointId,
    event: EventId,
    attempt: i64,
    status: &'static str,
    due_at: Option<i64>,
    response_status: Option<u16>,
    detail: Option<String>,
}

fn read_jobs(rows: Option<Rows>) -> Result<Vec<Job>, DatabaseError> {
    rows.unwrap_or_default().read()
}

fn post(url: &str, extra: Option<&str>, own: Vec<Header>, body: Bytes) -> Option<Request<Bytes>> {
    let extra: BTreeMap<String, String> = json::parse(extra.unwrap_or("{}")).ok()?;
    let mut request = Request::post(url).body(body).ok()?;
    let headers = request.headers_mut();
    headers.insert(USER_AGENT, HeaderValue::from_static("Patchbay"));
    for (name, value) in &extra {
        let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
        headers.insert(name, HeaderValue::from_str(value).ok()?);
    }
    // Ours, last: nothing replaces them.
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    for (name, value) in own {
        headers.insert(name, HeaderValue::from_str(&value).ok()?);
    }
    Some(request)
}

/// The beginning of an answer, as text.
fn kept(body: &[u8]) -> String {
    let head = body.get(..KEPT_BYTES).unwrap_or(body);
    String::from_utf8_lossy(head).into_owned()
}
