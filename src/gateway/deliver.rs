//! Sending what was accepted: claim late and few, call the provider, record once.

use super::bounds::LONGEST_ID;
use super::keys::unfold;
use super::metrics::count_sends;
use super::outcome::{Attempted, Situation, Step, no_answer, step};
use super::publish::DeliveryHint;
use super::sealed::Sealed;
use super::settle::Parked;
use super::upload::Prepared;
use super::word::Word;
use super::{Gateway, Ports, Push, Queue};
use crate::channel::{Outbound, SendError, adapter};
use crate::model::channel::{Channel, ChannelKind, ChannelStatus, Settings};
use crate::model::contact::Address;
use crate::model::content::Content;
use crate::model::event::EventType;
use crate::model::id::{ChannelId, ConversationId, EventId, MediaId, MessageId, WorkspaceId};
use crate::model::json;
use crate::model::message::{Actor, Adapted, MessageRecord};
use crate::model::time::{DAY_MS, MINUTE_MS, Timestamp};
use crate::store::accept::Accept;
use crate::store::claim::{self, Claimed, Throttle};
use crate::store::outbox::{self, Candidates, Outcome, Rest};
use crate::store::{self, DatabaseError, Rows, Statement, counters, events};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::HashSet;
use std::rc::Rc;

/// What the outbound queue carries: ids, and nothing else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Hint {
    Message {
        workspace: WorkspaceId,
        message: MessageId,
    },
    Conversation {
        conversation: ConversationId,
    },
    /// What falls due in a conversation.
    Schedule {
        workspace: WorkspaceId,
        schedule: ConversationId,
    },
    /// A file that is to be copied.
    Media {
        workspace: WorkspaceId,
        media: MediaId,
    },
}

impl Hint {
    /// Reads a queue message; `None` when it is not one of ours.
    #[must_use]
    pub fn parse(body: &str) -> Option<Self> {
        json::parse(body).ok()
    }

    #[must_use]
    pub fn push(&self, delay_s: u32) -> Push {
        Push {
            body: serde_json::to_string(self).unwrap_or_default(),
            delay_s,
        }
    }
}

/// A row of `accept::insert`; of a message that is not claimed by it, only the record.
#[derive(Deserialize)]
pub(super) struct Made {
    pub record: String,
    address: Option<Address>,
    reply_to: Option<String>,
    #[serde(default)]
    is_told: i64,
}

/// A claimed message with what its send needs.
#[derive(Deserialize)]
pub(super) struct Job {
    pub workspace_id: WorkspaceId,
    pub id: MessageId,
    pub conversation_id: ConversationId,
    /// As JSON, of a content that became several messages.
    adapted: Option<String>,
    content: String,
    attempt: i64,
    /// Earlier attempts that failed; waits for credentials are none.
    failures: i64,
    seq: i64,
    created_at: i64,
    expires_at: Option<i64>,
    address: Address,
    reply_to: Option<String>,
    actor: Option<Actor>,
    channel_deleted_at: Option<i64>,
    channel_id: ChannelId,
    channel_status: ChannelStatus,
    #[serde(rename = "type")]
    kind: ChannelKind,
    identifier: String,
    settings: Settings,
    credentials: Option<String>,
    version: i64,
    /// Whether some endpoint is to be told that it was sent, as far as is known.
    #[serde(skip)]
    is_told: bool,
    /// Where it was opened already.
    #[serde(skip)]
    opened: Option<Rc<Channel>>,
}

impl Job {
    /// Of a message that was claimed as it was accepted, on a channel that was connected then.
    pub fn own(
        accept: &Accept,
        channel: &Rc<Channel>,
        message: &MessageRecord,
        made: Made,
    ) -> Option<Self> {
        Some(Self {
            workspace_id: accept.workspace_id,
            id: accept.id,
            conversation_id: message.conversation_id,
            adapted: accept.adapted.clone(),
            content: accept.content.clone(),
            attempt: 1,
            failures: 0,
            seq: message.seq,
            created_at: accept.now.ms(),
            expires_at: accept.expires_at.map(Timestamp::ms),
            address: made.address.or_else(|| accept.new_address())?,
            reply_to: made.reply_to,
            actor: Some(accept.actor),
            channel_deleted_at: None,
            channel_id: channel.id,
            channel_status: ChannelStatus::Connected,
            kind: channel.kind,
            identifier: channel.identifier.clone(),
            settings: channel.settings.clone(),
            credentials: None,
            version: channel.version,
            is_told: made.is_told != 0,
            opened: Some(channel.clone()),
        })
    }

    fn sealed_channel(&self) -> Sealed {
        Sealed {
            id: self.channel_id,
            workspace_id: self.workspace_id,
            kind: self.kind,
            identifier: self.identifier.clone(),
            status: self.channel_status,
            settings: self.settings.clone(),
            credentials: self.credentials.clone(),
            version: self.version,
        }
    }
}

/// What a record's batch gives back.
struct Recorded {
    taken: Claimed,
    /// Of `outbox::CHANGED`.
    shown: Rows,
    outcomes: Vec<Outcome>,
}

/// A message as its record has left it.
pub(super) struct Shown {
    pub message: MessageRecord,
    pub word: Word,
    /// Whether another message of its conversation is due.
    pub waits: bool,
}

impl Shown {
    /// Reads the rows of `outbox::CHANGED`, which are none where nothing was changed.
    fn read(rows: Rows, outcome: Outcome) -> Result<Option<Self>, DatabaseError> {
        #[derive(Deserialize)]
        struct Row {
            record: String,
            waits: i64,
        }
        let Some(row) = rows.first::<Row>()? else {
            return Ok(None);
        };
        Ok(Some(Self {
            message: store::record(&row.record)?,
            word: Word::of(outcome.outcome, outcome.detail, outcome.provider_code),
            waits: row.waits != 0,
        }))
    }
}

/// An attempt that is over, before it is recorded.
pub(super) struct Done {
    pub job: Job,
    pub started_at: Timestamp,
    pub attempted: Attempted,
}

impl<P: Ports> Gateway<P> {
    /// Sends what the hints point at and what follows it in its conversations.
    ///
    /// 1. Claim up to six, one per conversation, each its conversation's next.
    /// 2. Call the providers side by side.
    /// 3. Record what has ended, tell subscribers, and claim as many more, in one batch.
    ///
    /// Run twice, the second finds nothing left to claim. A crash leaves a lease
    /// that the sweep settles.
    pub async fn deliver(&self, hints: Vec<Hint>) -> Result<(), DatabaseError> {
        let mut waiting = Candidates::default();
        let mut due = Vec::new();
        let mut copies = Vec::new();
        for hint in hints {
            match hint {
                Hint::Message { workspace, message } => waiting.messages.push((workspace, message)),
                Hint::Conversation { conversation } => waiting.conversations.push(conversation),
                Hint::Schedule {
                    workspace,
                    schedule,
                } => {
                    waiting.conversations.push(schedule);
                    if !due.contains(&(workspace, schedule)) {
                        due.push((workspace, schedule));
                    }
                }
                Hint::Media { workspace, media } => copies.push((workspace, media)),
            }
        }
        self.send_waiting(waiting, &due).await?;
        // Messages first: nobody waits for a copy.
        for (workspace, media) in copies {
            self.copy(workspace, media).await?;
        }
        Ok(())
    }

    /// Hints at sends that are due now.
    pub(super) async fn push_sends(&self, hints: Vec<Hint>) {
        let pushes = hints.iter().map(|hint| hint.push(0)).collect();
        self.push(Queue::Outbound, pushes).await;
    }

    pub(super) async fn attempt(&self, job: Job) -> Done {
        let started_at = self.now();
        let attempted = self.try_send(&job, started_at).await;
        Done {
            job,
            started_at,
            attempted,
        }
    }

    async fn try_send(&self, job: &Job, now: Timestamp) -> Attempted {
        if job.expires_at.is_some_and(|at| at <= now.ms()) {
            return Attempted::Expired;
        }
        if job.channel_deleted_at.is_some() {
            return Attempted::ChannelUnavailable;
        }
        match job.channel_status {
            ChannelStatus::Connected => {}
            ChannelStatus::NeedsReauth => return Attempted::ChannelWaits,
            ChannelStatus::Disabled => return Attempted::ChannelUnavailable,
        }
        let Some(adapter) = adapter(job.kind) else {
            return Attempted::ChannelUnavailable;
        };
        let Ok(content) = json::parse::<Content>(&job.content) else {
            return Attempted::ChannelUnavailable;
        };
        let channel = match &job.opened {
            Some(opened) => opened.clone(),
            None => self.open_channel(job.sealed_channel()),
        };
        // Sealed under a key that is not configured: it may come back.
        if channel.credentials.0.is_empty() && !adapter.credential_names().is_empty() {
            return Attempted::ChannelWaits;
        }
        let mut outbound = Outbound {
            message_id: job.id,
            channel: &channel,
            to: &job.address,
            content: &content,
            reply_to: job.reply_to.as_deref(),
            actor: job.actor.unwrap_or_default(),
            uploaded: None,
            inbound_url: &self.inbound_url(channel.id),
        };
        let prepared = match self.prepare(adapter, &outbound, job.attempt).await {
            Prepared::Nothing => None,
            Prepared::Uploaded(file) => Some(file),
            Prepared::Over(attempted) => return attempted,
        };
        outbound.uploaded = prepared.as_ref().map(|file| file.provider_id.as_str());
        let request = match adapter.request(&self.config.origins, &outbound) {
            Ok(request) => request,
            Err(error) => return Attempted::Refused(error),
        };
        let deadline = self.config.provider_timeout_ms;
        let Ok(response) = self.ports.fetch(request, deadline).await else {
            return Attempted::Refused(no_answer());
        };
        let answer = if content.is_sign() {
            adapter.noted(&response)
        } else {
            adapter.accepted(&response)
        };
        match answer {
            Ok(provider_message_id) => Attempted::Accepted {
                provider_message_id,
            },
            Err(error) => {
                let error =
                    self.after_refusal(adapter, &outbound, job.attempt, prepared.as_ref(), error);
                Attempted::Refused(error.await)
            }
        }
    }

    /// Records what became of sends, and claims the next.
    pub(super) async fn record(
        &self,
        done: &[Done],
        next: Option<Vec<Statement>>,
    ) -> Result<Claimed, DatabaseError> {
        let token = self.token();
        Ok(self.record_all(done, next, &token, false).await?.taken)
    }

    /// Records what became of a send whose client waits; `None` where somebody else has
    /// settled it before.
    ///
    /// Most are taken by their provider, and nobody is to be told: that is planned on, and
    /// recorded if it is so, else recorded in full, under the same token: what was written and
    /// its answer lost is not counted again.
    pub(super) async fn record_shown(&self, done: Done) -> Result<Option<Shown>, DatabaseError> {
        let (job, token) = (&done.job, self.token());
        let is_sent = matches!(done.attempted, Attempted::Accepted { .. });
        if is_sent && !job.is_told && job.seq != 1 {
            let now = self.now();
            let outcome = self.settle(&done, now);
            let counts = count_sends(std::slice::from_ref(&outcome));
            let batch = outbox::record_untold(&outcome, &counts, &token, now);
            let rows = self.batch(batch.into()).await?;
            let changed = rows.into_iter().nth(outbox::CHANGED).unwrap_or_default();
            if let Some(shown) = Shown::read(changed, outcome)? {
                return Ok(Some(shown));
            }
        }
        let recorded = self.record_all(&[done], None, &token, true).await?;
        match recorded.outcomes.into_iter().next() {
            Some(outcome) => Shown::read(recorded.shown, outcome),
            None => Ok(None),
        }
    }

    async fn record_all(
        &self,
        done: &[Done],
        next: Option<Vec<Statement>>,
        token: &str,
        are_shown: bool,
    ) -> Result<Recorded, DatabaseError> {
        let now = self.now();
        let mut retries = Vec::new();
        let mut outcomes = Vec::new();
        let mut created = Vec::new();
        let mut refused = Vec::new();
        let mut named = HashSet::new();
        let mut rest = Vec::new();
        let mut throttles = Vec::new();
        for done in done {
            if let Attempted::Refused(SendError::Unauthorized(reason)) = &done.attempted {
                let code = reason.provider_code.as_deref().unwrap_or(reason.code);
                let channel = (done.job.channel_id, done.job.version);
                refused.extend(self.refused_token(done.job.workspace_id, channel, code, now));
                self.forget_channel(done.job.channel_id).await;
            }
            // The first message of a conversation made it.
            if done.job.seq == 1 {
                let event: EventId = self.fresh(now);
                created.push(json!([
                    done.job.workspace_id,
                    done.job.conversation_id,
                    event
                ]));
            }
            let mut outcome = self.settle(done, now);
            // An id is one message's: a provider that gives it twice names only the first.
            let given = outcome.provider_message_id.clone();
            let is_new = given.is_some_and(|id| named.insert((done.job.channel_id, id)));
            if !is_new {
                outcome.provider_message_id = None;
            }
            self.log_attempt(&outcome);
            throttles.extend(throttle(done, &outcome, now));
            if matches!(outcome.status, "failed" | "expired") {
                rest.extend(self.parts_behind(&done.job, &outcome, now));
            }
            if let Some(due_at) = outcome.due_at.filter(|at| at - now.ms() <= DAY_MS) {
                let hint = Hint::Message {
                    workspace: outcome.workspace,
                    message: outcome.message,
                };
                retries.push(hint.push(now.seconds_until(due_at)));
            }
            outcomes.push(outcome);
        }
        let mut batch = outbox::record(&outcomes, token, now, are_shown);
        let recorded = batch.len();
        // Before the next are claimed, for it may be one of these.
        if !rest.is_empty() {
            batch.extend(outbox::fail_rest(&rest, &self.token(), now));
        }
        let told_of_rest = batch.len();
        if !throttles.is_empty() {
            batch.extend(claim::hold(&throttles));
        }
        let claims = batch.len();
        let is_claiming = next.is_some();
        batch.extend(next.unwrap_or_default());
        let claimed = batch.len();
        if !created.is_empty() {
            batch.extend(events::conversations_created(&json!(created), now));
        }
        let told_of_created = batch.len();
        batch.extend(refused);
        batch.push(counters::add(&count_sends(&outcomes), token));
        let written = batch.len();
        let mut rows = self.batch(batch).await?;
        let rows_at = |at: usize| rows.get(at).cloned().unwrap_or_default();
        let mut told: Vec<DeliveryHint> = rows_at(recorded - 2).read()?;
        let parked: Vec<Parked> = rows_at(recorded - 1).read()?;
        if told_of_created > claimed {
            told.extend(rows_at(told_of_created - 1).read::<DeliveryHint>()?);
        }
        if told_of_rest > recorded {
            told.extend(rows_at(told_of_rest - 1).read::<DeliveryHint>()?);
        }
        for fanned in (told_of_created..written).skip(2).step_by(3) {
            told.extend(rows_at(fanned).read::<DeliveryHint>()?);
        }
        let shown = rows_at(outbox::CHANGED);
        let taken = if is_claiming {
            Claimed::at(&mut rows, claims)
        } else {
            Claimed::default()
        };
        self.push_deliveries(told).await;
        self.push(Queue::Outbound, retries).await;
        self.apply_parked(&parked, now).await?;
        Ok(Recorded {
            taken,
            shown,
            outcomes,
        })
    }

    /// The messages that the rest of a content became.
    fn parts_behind(&self, job: &Job, outcome: &Outcome, now: Timestamp) -> Vec<Rest> {
        let adapted = job.adapted.as_deref();
        let adapted: Option<Adapted> = adapted.and_then(|json| json::parse(json).ok());
        let parts = adapted.map(|adapted| adapted.parts).unwrap_or_default();
        let behind = parts.into_iter().skip_while(|part| *part != job.id).skip(1);
        let rest = behind.map(|message| Rest {
            workspace: job.workspace_id,
            message,
            failed: job.id,
            code: outcome.code.clone(),
            event: self.fresh::<EventId>(now).to_string(),
        });
        rest.collect()
    }

    fn settle(&self, done: &Done, now: Timestamp) -> Outcome {
        let [jitter] = self.random();
        let job = &done.job;
        let situation = Situation {
            now,
            created_at: Timestamp::from_ms(job.created_at),
            expires_at: job.expires_at.map(Timestamp::from_ms),
            failures: job.failures,
            on_unknown_outcome: job.settings.on_unknown_outcome,
            jitter,
        };
        let event_id: EventId = self.fresh(now);
        let mut outcome = Outcome {
            workspace: job.workspace_id,
            message: job.id,
            attempt: job.attempt,
            status: "sent",
            outcome: attempt_name(&done.attempted),
            provider_message_id: None,
            code: None,
            detail: None,
            provider_code: None,
            started_at: done.started_at.ms(),
            due_at: None,
            event_type: None,
            event_id: event_id.to_string(),
        };
        let (status, event, reason) = match step(done.attempted.clone(), situation) {
            Step::Sent {
                provider_message_id,
            } => {
                let is_id = |id: &String| id.len() <= LONGEST_ID;
                outcome.provider_message_id = provider_message_id.filter(is_id);
                outcome.event_type = Some(EventType::MessageSent.name());
                return outcome;
            }
            Step::Retry { at, reason } => {
                outcome.due_at = Some(at.ms());
                ("accepted", None, reason)
            }
            Step::Unknown(reason) => ("unknown", Some(EventType::MessageUnknown), reason),
            Step::Failed(reason) => ("failed", Some(EventType::MessageFailed), reason),
            Step::Expired(reason) => ("expired", Some(EventType::MessageFailed), reason),
        };
        outcome.status = status;
        outcome.event_type = event.map(EventType::name);
        outcome.code = Some(reason.code.to_owned());
        outcome.detail = Some(reason.message.chars().take(500).collect());
        let code = reason.provider_code;
        outcome.provider_code = code.map(|code| code.chars().take(100).collect());
        outcome
    }

    /// What went well is told by the message itself.
    fn log_attempt(&self, outcome: &Outcome) {
        if outcome.status == "sent" {
            return;
        }
        self.ports.log(
            "message.attempted",
            json!({
                "message": outcome.message, "attempt": outcome.attempt, "outcome": outcome.outcome,
                "status": outcome.status, "providerCode": outcome.provider_code,
                "dueAt": outcome.due_at,
            }),
        );
    }
}

/// A throttle without a wait holds up the others no longer.
const UNTOLD_HOLD_MS: i64 = MINUTE_MS;

/// What a throttled attempt means for the others of its sender, or to its recipient.
fn throttle(done: &Done, outcome: &Outcome, now: Timestamp) -> Option<Throttle> {
    let Attempted::Refused(SendError::Throttled {
        retry_after_ms,
        reason,
    }) = &done.attempted
    else {
        return None;
    };
    let job = &done.job;
    let pacing = &adapter(job.kind)?.profile().pacing;
    let code = reason.provider_code.as_deref().unwrap_or("");
    let is_told = retry_after_ms.is_some();
    let until = outcome.due_at.unwrap_or(now.ms());
    if pacing.chat_throttles.contains(&code) {
        return Some(Throttle::Recipient {
            workspace: job.workspace_id,
            conversation: job.conversation_id,
            until,
            slack_us: pacing.to(&job.address.0).slack_us,
        });
    }
    Some(Throttle::Sender {
        workspace: job.workspace_id,
        channel: job.channel_id,
        until: if is_told {
            until
        } else {
            until.min(now.plus_ms(UNTOLD_HOLD_MS).ms())
        },
    })
}

/// Reads claimed messages. The channel's columns stand in the same row.
pub(super) fn read_jobs(mut rows: Rows) -> Result<Vec<Job>, DatabaseError> {
    for row in &mut rows.0 {
        unfold(row, "settings");
    }
    rows.read()
}

/// Reads `outbox::own`: the message, and the job if it was claimed.
pub(super) fn read_own(
    mut rows: Rows,
) -> Result<Option<(MessageRecord, Option<Job>)>, DatabaseError> {
    #[derive(Deserialize)]
    struct Own {
        record: String,
        is_taken: i64,
    }
    let Some(own) = rows.clone().first::<Own>()? else {
        return Ok(None);
    };
    rows.0.retain(|_| own.is_taken != 0);
    Ok(Some((store::record(&own.record)?, read_jobs(rows)?.pop())))
}

/// The word under which an attempt is kept.
fn attempt_name(attempted: &Attempted) -> &'static str {
    match attempted {
        Attempted::Accepted { .. } => "sent",
        Attempted::Refused(SendError::Throttled { .. }) => "throttled",
        Attempted::Refused(SendError::Temporary(_)) => "temporary",
        Attempted::Refused(SendError::Unauthorized(_)) => "unauthorized",
        Attempted::Refused(SendError::Rejected(_)) => "rejected",
        Attempted::Refused(SendError::Unclear(_)) => "unknown",
        Attempted::Expired => "expired",
        Attempted::ChannelUnavailable => "channel_unavailable",
        Attempted::ChannelWaits => "channel_waits",
    }
}
