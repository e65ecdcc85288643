//! Messages for later: what falls due, what is moved or canceled before; and what becomes of
//! a send whose outcome is unknown, by somebody's word.

use super::deliver::Hint;
use super::publish::DeliveryHint;
use super::{Error, Gateway, Ports, Push, Queue, next, view};
use crate::channel::Invalid;
use crate::model::access::Key;
use crate::model::conversation::ServiceWindow;
use crate::model::id::{ConversationId, EventId, MessageId, WorkspaceId};
use crate::model::message::{Actor, DeliveryStatus, MessageRecord};
use crate::model::time::{DAY_MS, SECOND_MS, Timestamp};
use crate::store::counters::{self, Counts};
use crate::store::{self, DatabaseError, Rows, Statement, messages, schedule};
use serde::Deserialize;

/// How far ahead a message may be scheduled.
const LONGEST_MS: i64 = 365 * DAY_MS;

/// What somebody says became of a message whose outcome is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    Resend,
    Sent,
    Failed,
}

/// Holds a time to send at against the clock and the end of the message.
pub(super) fn check_time(
    at: Timestamp,
    expires_at: Option<Timestamp>,
    now: Timestamp,
) -> Result<(), Error> {
    if !(SECOND_MS..=LONGEST_MS).contains(&(at.ms() - now.ms())) {
        let detail = "must lie from one second to a year ahead";
        return Err(Error::invalid("/scheduledAt", detail));
    }
    if expires_at.is_some_and(|end| end <= at) {
        return Err(Error::invalid("/expiresAt", "must lie after scheduledAt"));
    }
    Ok(())
}

/// A conversation of which something falls due.
pub(super) type Due = (WorkspaceId, ConversationId);

impl<P: Ports> Gateway<P> {
    /// Hints at what falls due in a conversation, if that is near; else the sweep does.
    pub(super) async fn push_schedule(&self, of: Due, at: Timestamp) {
        let now = self.now();
        if at.ms() - now.ms() <= schedule::NEAR_MS {
            self.push(Queue::Outbound, vec![hint(of, at, now)]).await;
        }
    }

    /// Gives what the sweep found a hint.
    pub(super) async fn push_schedules(&self, rows: Rows) -> Result<usize, DatabaseError> {
        #[derive(Deserialize)]
        struct Row {
            workspace: WorkspaceId,
            schedule: ConversationId,
            at: i64,
        }
        let now = self.now();
        let rows: Vec<Row> = rows.read()?;
        let hints = rows.iter().map(|row| {
            let of = (row.workspace, row.schedule);
            hint(of, Timestamp::from_ms(row.at), now)
        });
        self.push(Queue::Outbound, hints.collect()).await;
        Ok(rows.len())
    }

    /// What gives due messages their place.
    pub(super) fn activate(&self, due: &[Due]) -> Vec<Statement> {
        if due.is_empty() {
            return vec![];
        }
        let now = self.now();
        schedule::activate(due, self.fresh::<EventId>(now), &self.token(), now)
    }

    /// Reads what `activate` gave: deliveries are hinted at, failures counted.
    pub(super) async fn activated(&self, mut rows: Vec<Rows>) -> Result<(), DatabaseError> {
        #[derive(Deserialize)]
        struct Row {
            problem: Option<String>,
        }
        if rows.is_empty() {
            return Ok(());
        }
        let told: Vec<DeliveryHint> = rows.swap_remove(rows.len() - 2).read()?;
        self.push_deliveries(told).await;
        let placed: Vec<Row> = next(&mut rows.into_iter()).read()?;
        let problems = placed.iter().filter_map(|row| row.problem.as_deref());
        let mut failed = Counts::new();
        for code in problems {
            counters::count(&mut failed, "messages_failed", code);
        }
        self.count(failed).await;
        Ok(())
    }

    /// Moves a message to another time, while it is scheduled.
    pub async fn reschedule(
        &self,
        key: &Key,
        id: MessageId,
        at: Timestamp,
    ) -> Result<view::Message, Error> {
        #[derive(Deserialize)]
        struct Said {
            content: String,
        }
        let now = self.now();
        check_time(at, None, now)?;
        let workspace = key.workspace_id;
        let batch = vec![
            schedule::move_to(workspace, id, at, now),
            messages::get(workspace, id),
            schedule::contents(workspace, id),
        ];
        let mut rows = self.batch(batch).await?.into_iter().skip(1);
        let message = only_message(next(&mut rows))?;
        if message.status != DeliveryStatus::Scheduled {
            return Err(not_scheduled());
        }
        if message.times.expires_at.is_some_and(|end| end <= at) {
            let detail = "must lie before the message's expiresAt";
            return Err(Error::invalid("/scheduledAt", detail));
        }
        let said: Vec<Said> = next(&mut rows).read()?;
        let contents = said.iter().map(|row| row.content.as_str());
        let kept = self.keep_files(workspace, id, contents, at);
        self.push_schedule((workspace, message.conversation_id), at)
            .await;
        // Where this fails, so does the request, and its repetition does it again.
        if let Some(kept) = kept {
            self.batch(vec![kept]).await?;
        }
        Ok(view::Message::from(message))
    }

    /// Cancels a message while it is scheduled. Canceled again, it is so already.
    pub async fn cancel(&self, key: &Key, id: MessageId) -> Result<view::Message, Error> {
        let workspace = key.workspace_id;
        let canceled = schedule::cancel(workspace, id, self.now());
        let batch = vec![canceled, messages::get(workspace, id)];
        let mut rows = self.batch(batch).await?.into_iter().skip(1);
        let message = only_message(next(&mut rows))?;
        if message.status == DeliveryStatus::Canceled {
            Ok(view::Message::from(message))
        } else {
            Err(not_scheduled())
        }
    }

    /// Settles a message whose outcome is unknown. What is to be sent again is held against
    /// the window, the opt-out and the channel as they are now.
    pub async fn settle_unknown(
        &self,
        key: &Key,
        id: MessageId,
        outcome: Outcome,
    ) -> Result<view::Message, Error> {
        #[derive(Deserialize)]
        struct Row {
            record: String,
            is_mine: i64,
            #[serde(flatten)]
            now: Standing,
        }
        let now = self.now();
        let (workspace, token) = (key.workspace_id, self.token());
        let mut batch = match outcome {
            Outcome::Resend => schedule::resend(workspace, id, &token, now),
            Outcome::Sent | Outcome::Failed => {
                let is_sent = outcome == Outcome::Sent;
                schedule::settle(workspace, id, is_sent, self.fresh(now), &token, now)
            }
        };
        batch.push(schedule::settled(workspace, id, &token, now));
        let mut rows = self.batch(batch).await?;
        let row: Option<Row> = rows.pop().unwrap_or_default().first()?;
        let row = row.ok_or(Error::not_found("message"))?;
        let message: MessageRecord = store::record(&row.record)?;
        if row.is_mine == 0 {
            return Err(row.now.refuses(&message));
        }
        match outcome {
            Outcome::Resend => {
                let message = id;
                let hint = Hint::Message { workspace, message };
                self.push_sends(vec![hint]).await;
            }
            Outcome::Sent | Outcome::Failed => {
                let told: Vec<DeliveryHint> = rows.pop().unwrap_or_default().read()?;
                self.push_deliveries(told).await;
            }
        }
        Ok(view::Message::from(message))
    }
}

fn hint((workspace, schedule): Due, at: Timestamp, now: Timestamp) -> Push {
    let hint = Hint::Schedule {
        workspace,
        schedule,
    };
    hint.push(now.seconds_until(at.ms()))
}

fn only_message(rows: Rows) -> Result<MessageRecord, Error> {
    let found: Vec<MessageRecord> = rows.records()?;
    found.into_iter().next().ok_or(Error::not_found("message"))
}

fn not_scheduled() -> Error {
    Error::Conflict {
        detail: "this message is not scheduled any more",
        pointer: None,
    }
}

/// What stands in the way of sending a message again.
#[derive(Deserialize)]
struct Standing {
    /// A code of ours.
    problem: Option<String>,
    actor: Option<Actor>,
    last_inbound_at: Option<i64>,
    opted_out_at: Option<i64>,
}

impl Standing {
    /// Why a message was not settled.
    fn refuses(&self, message: &MessageRecord) -> Error {
        if message.status != DeliveryStatus::Unknown {
            return Error::Conflict {
                detail: "the outcome of this message is not unknown",
                pointer: None,
            };
        }
        let at = |ms: Option<i64>| ms.map(Timestamp::from_ms);
        match (self.problem.as_deref(), at(self.opted_out_at)) {
            (Some("channel_unavailable"), _) => Error::ChannelUnavailable {
                why: "it is disabled or deleted",
            },
            (Some("opted_out"), Some(at)) => Error::OptedOut { at },
            (Some("window_closed"), _) => {
                let kind = message.channel_type;
                let actor = self.actor.unwrap_or_default();
                let window = ServiceWindow::of(kind, true).for_actor(kind, actor);
                Error::WindowClosed {
                    closed_at: window.closes_at(at(self.last_inbound_at)),
                }
            }
            (Some("expired"), _) => {
                Error::invalid("/outcome", "cannot be resend: the message's time is up")
            }
            (Some(_), _) => Error::TemplateNotApproved(Invalid::new(
                "/outcome",
                "cannot be resend: the template may not be sent as it was filled",
            )),
            (None, _) => Error::Unavailable,
        }
    }
}
