//! A rolling window of sends: who is slow holds up nobody, and who must wait is waited for
//! only where that is not long.

use super::deliver::{Done, Hint, Job, read_jobs};
use super::schedule::Due;
use super::together::{AT_ONCE, LEASE_MS, LONGEST_RUN_MS};
use super::word::{Sent, Word};
use super::{Gateway, Ports, Queue};
use crate::channel::{ADAPTERS, Adapter};
use crate::model::channel::Settings;
use crate::model::content::Content;
use crate::model::id::{MessageId, WorkspaceId};
use crate::model::json;
use crate::model::message::MessageRecord;
use crate::model::time::{SECOND_MS, Timestamp};
use crate::store::claim::{Claim, Claimed, OwnClaim, claim};
use crate::store::outbox::Candidates;
use crate::store::{DatabaseError, messages};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use serde::Deserialize;
use serde_json::{Value as Json, json};

/// A consumer waits for what may go within its first second: queues count in whole ones, and
/// what is left of them has nowhere else to wait.
const PATIENCE_MS: i64 = SECOND_MS - 1;
/// Sends that end within this time of each other are recorded in one batch.
const TOGETHER_MS: u32 = 25;

/// A message in turn that was not taken.
#[derive(Deserialize)]
struct Waiting {
    workspace: WorkspaceId,
    message: MessageId,
    /// From when on it may go.
    at: i64,
    /// Whether it was given that moment.
    is_paid: i64,
}

impl Waiting {
    /// A whole number of seconds: what is left of them, a consumer waits for.
    fn delay_s(&self, now: Timestamp) -> u32 {
        u32::try_from((self.at - now.ms()).max(0) / SECOND_MS).unwrap_or(u32::MAX)
    }

    fn hint(&self) -> Hint {
        Hint::Message {
            workspace: self.workspace,
            message: self.message,
        }
    }
}

impl<P: Ports> Gateway<P> {
    /// Works off what may be ready, and what falls due.
    ///
    /// 1. Claim as many as there are free places, in the batch that records what has ended.
    /// 2. Sort the others: those that may go soon are kept, those that may not come back
    ///    when they may.
    /// 3. Wait for a send to end, or for the first that is kept.
    pub(super) async fn send_waiting(
        &self,
        mut ready: Candidates,
        due: &[Due],
    ) -> Result<(), DatabaseError> {
        let started = self.now();
        let mut falls_due = self.activate(due);
        let patience = started.plus_ms(PATIENCE_MS);
        let rates = rates();
        let mut kept: Vec<Waiting> = Vec::new();
        let mut done: Vec<Done> = Vec::new();
        let mut under_way = FuturesUnordered::new();
        loop {
            let now = self.now();
            let goes_on = now.ms() - started.ms() < LONGEST_RUN_MS;
            kept.retain(|waiting| {
                let is_ready = waiting.at <= now.ms();
                if is_ready {
                    ready.messages.push((waiting.workspace, waiting.message));
                    ready
                        .paid
                        .extend((waiting.is_paid != 0).then_some(waiting.message));
                }
                !is_ready
            });
            ready
                .conversations
                .extend(done.iter().map(|it| it.job.conversation_id));
            let free = AT_ONCE - under_way.len();
            let token = self.token();
            let claims = goes_on && free > 0 && !ready.is_empty();
            let claim = claims.then(|| {
                claim(&Claim {
                    candidates: &ready,
                    token: &token,
                    now,
                    patience: patience.max(now),
                    lease_ms: LEASE_MS,
                    free,
                    rates: &rates,
                })
            });
            let mut taken = Claimed::default();
            if !done.is_empty() {
                let ended = std::mem::take(&mut done);
                taken = match self.record(&ended, claim).await {
                    Ok(taken) => taken,
                    Err(error) => {
                        // The others are on their way, and what becomes of them counts.
                        let others: Vec<Done> = under_way.collect().await;
                        let _ = self.record(&others, None).await;
                        return Err(error);
                    }
                };
            } else if let Some(claim) = claim {
                // What falls due takes its place before the heads are claimed.
                let mut batch = std::mem::take(&mut falls_due);
                let activated = batch.len();
                batch.extend(claim);
                let mut rows = self.batch(batch).await?;
                taken = Claimed::at(&mut rows, activated);
                rows.truncate(activated);
                self.activated(rows).await?;
            }
            if claims {
                ready = Candidates::default();
                let jobs = read_jobs(taken.jobs)?;
                let waiting: Vec<Waiting> = taken.waiting.read()?;
                let untaken = waiting
                    .into_iter()
                    .filter(|it| jobs.iter().all(|job| job.id != it.message));
                let (soon, late): (Vec<_>, Vec<_>) =
                    untaken.partition(|it| it.at <= patience.max(now).ms());
                kept.extend(soon);
                let late = late.iter().map(|it| it.hint().push(it.delay_s(now)));
                self.push(Queue::Outbound, late.collect()).await;
                under_way.extend(jobs.into_iter().map(|job| self.attempt(job)));
            }
            if !goes_on {
                self.hand_back(&mut ready, &mut kept).await;
            }
            let first = kept.iter().map(|it| it.at).min();
            let first = first.map(|at| u32::try_from(at - self.now().ms()).unwrap_or(0));
            if under_way.is_empty() {
                match first {
                    Some(wait_ms) => self.ports.sleep(wait_ms).await,
                    None => return Ok(()),
                }
            } else {
                let wait_ms = first.filter(|_| under_way.len() < AT_ONCE);
                done = self.ended(&mut under_way, wait_ms, TOGETHER_MS).await;
            }
        }
    }

    async fn hand_back(&self, ready: &mut Candidates, kept: &mut Vec<Waiting>) {
        let ready = std::mem::take(ready);
        let conversations = ready.conversations.into_iter();
        let mut hints: Vec<Hint> = conversations
            .map(|conversation| Hint::Conversation { conversation })
            .collect();
        let messages = ready.messages.into_iter();
        hints.extend(messages.map(|(workspace, message)| Hint::Message { workspace, message }));
        hints.extend(kept.drain(..).map(|waiting| waiting.hint()));
        self.push_sends(hints).await;
    }

    /// The claim of a message by the batch that accepts it, for it to be sent before the answer.
    /// It is not claimed while an earlier one of its conversation is unsent, nor faster than its
    /// provider takes it.
    pub(super) fn own_claim(
        &self,
        adapter: &dyn Adapter,
        settings: &Settings,
        content: &Content,
    ) -> OwnClaim {
        let pacing = &adapter.profile().pacing;
        let sender_us = settings
            .messages_per_second
            .map_or(pacing.sender_us, |count| {
                1_000_000 / i64::from(count.max(1))
            });
        let is_slow = matches!(content, Content::Audio(_) | Content::Video(_));
        let media_us = if is_slow { pacing.media_us } else { 0 };
        OwnClaim {
            token: self.token(),
            lease_ms: LEASE_MS,
            cost_us: sender_us.max(media_us),
            rates: (!content.is_sign()).then_some((pacing.chat, pacing.group)),
        }
    }

    /// Sends what `own_claim` claimed; gives back the message as it stands then, and the
    /// provider's word. The message is accepted already: whatever fails here is the queue's
    /// and the sweep's.
    pub(super) async fn deliver_own(
        &self,
        taken: Option<Job>,
        message: MessageRecord,
    ) -> Result<(MessageRecord, Option<Word>), DatabaseError> {
        let conversation = message.conversation_id;
        let next = || async {
            let hint = Hint::Conversation { conversation };
            self.push_sends(vec![hint]).await;
        };
        let Some(job) = taken else {
            next().await;
            return Ok((message, None));
        };
        let of = (job.workspace_id, job.id);
        let done = self.attempt(job).await;
        let Ok(shown) = self.record_shown(done).await else {
            return Ok((message, None));
        };
        let Some(shown) = shown else {
            // Somebody else has settled it, or the answer was lost.
            next().await;
            let read = self.batch(vec![messages::get_sent(of.0, of.1)]).await?;
            let read = read.into_iter().next().unwrap_or_default();
            return match read.first::<Sent>()? {
                Some(sent) => sent.read(),
                None => Ok((message, None)),
            };
        };
        if shown.waits {
            next().await;
        }
        Ok((shown.message, Some(shown.word)))
    }
}

/// How fast each type of channel may be.
fn rates() -> Json {
    let of = |it: &&dyn crate::channel::Adapter| {
        (it.kind().name().to_owned(), json!(it.profile().pacing))
    };
    Json::Object(json::object(ADAPTERS.iter().map(of)))
}
