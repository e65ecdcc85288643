//! Telling subscribers: claim a delivery, POST it, record what came of it. The row is the
//! schedule; the queue only hurries it along.

use super::posting::{Answer, NO_ANSWER, Stored, Subscriber};
use super::together::{AT_ONCE, LEASE_MS, LONGEST_RUN_MS};
use super::{Gateway, Ports, Push, Queue, next};
use crate::model::id::{EndpointId, EventId, WorkspaceId};
use crate::model::json;
use crate::model::time::{DAY_MS, Timestamp};
use crate::store::counters::{self, Counts};
use crate::store::deliveries::{self, Room};
use crate::store::{DatabaseError, Statement};
use crate::webhook;
use futures_util::stream::FuturesUnordered;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

/// Of which so many to one endpoint while others wait.
const MOST_OF_ONE: usize = AT_ONCE - 1;
/// How long those that answered wait for the others, to be recorded with them.
const GRACE_MS: u32 = 500;

/// What the events queue carries: one event for one endpoint, or for all of a workspace that
/// are still to be told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliveryHint {
    pub endpoint_id: EndpointId,
    pub event_id: EventId,
    /// 0 or 1, of a new delivery: nothing is to be done for it yet.
    #[serde(default, skip_serializing)]
    is_waiting: i64,
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
    /// Attempts that are no part of its schedule.
    first_attempt: i64,
    claim: String,
    /// 0 or 1: it stands for the endpoints that are still to be told.
    is_fan_out: i64,
    data: String,
    created_at: i64,
    /// 0 or 1.
    is_failing: i64,
    /// JSON; none where the endpoint was deleted.
    subscriber: Option<String>,
}

/// What became of a claimed delivery.
enum Outcome {
    FannedOut,
    /// The endpoint is deleted.
    NoEndpoint,
    Answered(Answer),
}

type Done = (Job, Outcome);

impl<P: Ports> Gateway<P> {
    /// Delivers what the hints point at, six at a time: as some are answered, others take
    /// their places, whoever else is slow. Run twice, the second finds nothing due; a crash
    /// leaves a lease, after which it is delivered again under the same id.
    pub async fn publish(&self, hints: Vec<DeliveryHint>) -> Result<(), DatabaseError> {
        let started = self.now();
        let mut waiting = hints;
        let mut under_way = FuturesUnordered::new();
        let mut called: Vec<EndpointId> = Vec::new();
        let mut done = Vec::new();
        loop {
            if self.now().ms() - started.ms() >= LONGEST_RUN_MS {
                self.push_deliveries(std::mem::take(&mut waiting)).await;
            }
            let jobs = self.record_and_claim(done, &waiting, &called).await?;
            for job in jobs {
                waiting.retain(|hint| {
                    hint.event_id != job.event_id || hint.endpoint_id != job.endpoint_id
                });
                called.push(job.endpoint_id);
                under_way.push(self.attempt_delivery(job));
            }
            if under_way.is_empty() {
                return Ok(());
            }
            done = self.ended(&mut under_way, None, GRACE_MS).await;
            for (job, _) in &done {
                if let Some(at) = called.iter().position(|id| *id == job.endpoint_id) {
                    called.swap_remove(at);
                }
            }
        }
    }

    fn claim_deliveries(&self, hints: &[DeliveryHint], called: &[EndpointId]) -> Vec<Statement> {
        let (token, now) = (self.token(), self.now());
        let first = hints.first().map(|hint| hint.endpoint_id);
        let is_one = hints.iter().all(|hint| Some(hint.endpoint_id) == first);
        let room = Room {
            most: AT_ONCE.saturating_sub(called.len()),
            most_of_one: if is_one { AT_ONCE } else { MOST_OF_ONE },
            under_way: &json!(called),
        };
        let hints: Json = hints
            .iter()
            .map(|hint| json!([hint.endpoint_id, hint.event_id]))
            .collect();
        vec![
            deliveries::hold(&hints, now),
            deliveries::claim(&hints, &room, &token, now, LEASE_MS),
            deliveries::claimed(&hints, &token, now),
        ]
    }

    /// Hints at deliveries that are due now.
    pub(super) async fn push_deliveries(&self, hints: Vec<DeliveryHint>) {
        let due = hints.iter().filter(|hint| hint.is_waiting == 0);
        let pushes: Vec<Push> = due.map(|hint| hint.push(0)).collect();
        if !pushes.is_empty() {
            self.push(Queue::Events, pushes).await;
        }
    }

    async fn attempt_delivery(&self, job: Job) -> Done {
        if job.is_fan_out != 0 {
            // What does not work now, the sweep finds when the lease is over.
            let _ = self.fan_out_on(&job).await;
            return (job, Outcome::FannedOut);
        }
        let subscriber = job.subscriber.as_deref();
        let Some(subscriber) = subscriber.and_then(|it| json::parse::<Subscriber>(it).ok()) else {
            return (job, Outcome::NoEndpoint);
        };
        let event = Stored {
            id: job.event_id,
            kind: &job.kind,
            at: Timestamp::from_ms(job.created_at),
            data: &job.data,
        };
        let to = (job.workspace_id, job.endpoint_id);
        let answer = self.call_subscriber(to, &subscriber, &event).await;
        (job, Outcome::Answered(answer))
    }

    /// Tells the next endpoints, and hints at the rest.
    async fn fan_out_on(&self, job: &Job) -> Result<(), DatabaseError> {
        let [told, moved, ended] =
            deliveries::fan_out_on(job.workspace_id, job.event_id, &job.claim, self.now());
        let mut rows = self.batch(vec![told, moved, ended]).await?.into_iter();
        let mut hints: Vec<DeliveryHint> = next(&mut rows).read()?;
        hints.extend(next(&mut rows).read::<DeliveryHint>()?);
        self.push_deliveries(hints).await;
        Ok(())
    }

    /// Records what is done, and claims what may follow, in one batch.
    async fn record_and_claim(
        &self,
        done: Vec<Done>,
        waiting: &[DeliveryHint],
        called: &[EndpointId],
    ) -> Result<Vec<Job>, DatabaseError> {
        let now = self.now();
        let mut results = Vec::new();
        let mut health = Vec::new();
        let mut retries = Vec::new();
        let mut counts = Counts::new();
        for (job, outcome) in done {
            let Some(result) = self.settle_delivery(&job, &outcome, now) else {
                continue;
            };
            note(&mut health, &job, &outcome);
            if let Some(due_at) = result.due_at.filter(|at| at - now.ms() <= DAY_MS) {
                let hint = DeliveryHint {
                    endpoint_id: job.endpoint_id,
                    event_id: job.event_id,
                    is_waiting: 0,
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
            counters::count(&mut counts, "deliveries", result.status);
            results.push(result);
        }
        health.retain(Health::is_news);
        let mut batch = vec![];
        if !results.is_empty() {
            batch.push(deliveries::record(&json!(results), now));
        }
        if !health.is_empty() {
            // Before the claim: an endpoint that failed is held to one delivery at once.
            let noted = deliveries::note_health(&json!(health), self.fresh(now), now);
            batch.extend(noted);
        }
        let claim_at = batch.len();
        if !waiting.is_empty() && called.len() < AT_ONCE {
            batch.extend(self.claim_deliveries(waiting, called));
        }
        if !results.is_empty() {
            batch.push(counters::add(&counts, &self.token()));
        }
        if batch.is_empty() {
            return Ok(vec![]);
        }
        let mut rows = self.batch(batch).await?;
        if !retries.is_empty() {
            self.push(Queue::Events, retries).await;
        }
        let mut taken = |at: usize| rows.get_mut(at).map(std::mem::take).unwrap_or_default();
        if !health.is_empty() {
            self.push_deliveries(taken(3).read()?).await;
        }
        taken(claim_at + 2).read()
    }

    fn settle_delivery(
        &self,
        job: &Job,
        outcome: &Outcome,
        now: Timestamp,
    ) -> Option<DeliveryResult> {
        let [jitter] = self.random();
        let retry = |retry_after_ms| {
            let attempt = job.attempt - job.first_attempt;
            webhook::next_wait_ms(attempt, retry_after_ms, jitter).map(|wait| now.ms() + wait)
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
        match outcome {
            Outcome::FannedOut => return None,
            Outcome::NoEndpoint => result.status = "canceled",
            Outcome::Answered(Answer::Unusable(why)) => result.detail = Some((*why).to_owned()),
            Outcome::Answered(Answer::Nothing) => {
                result.due_at = retry(None);
                result.detail = Some(NO_ANSWER.to_owned());
            }
            Outcome::Answered(Answer::Status {
                status,
                retry_after_ms,
                body,
            }) => {
                result.response_status = Some(*status);
                result.detail = Some(body.clone());
                if (200..300).contains(status) {
                    result.status = "delivered";
                } else if *status == GONE {
                    // For the endpoint, which is disabled with this.
                    result.status = "waiting";
                } else {
                    result.due_at = retry(*retry_after_ms);
                }
            }
        }
        if result.due_at.is_some() {
            result.status = "pending";
        }
        Some(result)
    }
}

const GONE: u16 = StatusCode::GONE.as_u16();

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

/// How an endpoint answered this time.
#[derive(Serialize)]
struct Health {
    workspace: WorkspaceId,
    id: EndpointId,
    failed: i64,
    succeeded: i64,
    gone: i64,
    #[serde(skip)]
    was_failing: bool,
}

impl Health {
    fn is_news(&self) -> bool {
        self.failed > 0 || self.was_failing
    }
}

fn note(health: &mut Vec<Health>, job: &Job, outcome: &Outcome) {
    let status = match outcome {
        Outcome::FannedOut | Outcome::NoEndpoint | Outcome::Answered(Answer::Unusable(_)) => return,
        Outcome::Answered(Answer::Nothing) => 0,
        Outcome::Answered(Answer::Status { status, .. }) => *status,
    };
    let succeeded = i64::from((200..300).contains(&status));
    let (failed, gone) = (1 - succeeded, i64::from(status == GONE));
    match health.iter_mut().find(|known| known.id == job.endpoint_id) {
        Some(known) => {
            known.failed += failed;
            known.succeeded += succeeded;
            known.gone += gone;
        }
        None => health.push(Health {
            workspace: job.workspace_id,
            id: job.endpoint_id,
            failed,
            succeeded,
            gone,
            was_failing: job.is_failing != 0,
        }),
    }
}
