//! What was accepted, held against what the providers took on and what the subscriber was told.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt;
use std::sync::Arc;

use patchbay_sandbox::{Call, CallFilter};
use rusqlite::Connection;
use serde_json::Value;

use super::plan::Plan;
use super::stage::{Conversation, Stage};
use super::storm::{Log, read_only};

/// How long a send may have been under way when it was cut off: the provider's deadline, and the claim before.
const UNDER_WAY_MS: i64 = 10_000;

pub struct Verdict {
    name: &'static str,
    pub accepted: usize,
    pub lost: usize,
    pub twice: usize,
    pub out_of_order: usize,
    by_status: BTreeMap<String, usize>,
    /// Neither at an end nor `unknown`.
    unfinished: usize,
    unknown: usize,
    /// `unknown` though nothing hit them.
    unexplained: Vec<String>,
    /// Of the unknown, those that the provider took on.
    unknown_but_sent: usize,
    events: usize,
    /// Events that the subscriber never got, or not under one id.
    untold: usize,
    /// Ids that the subscriber got and that are no event's.
    made_up: usize,
    told_again: usize,
    faults: BTreeMap<&'static str, usize>,
    kills: usize,
    unanswered: usize,
    load_s: f64,
    drain_s: f64,
}

/// A message as the database has it at the end.
struct Stored {
    status: String,
    sending_at: Option<i64>,
    unknown_at: Option<i64>,
}

impl Verdict {
    pub async fn of(stage: &Stage, plan: &Plan, log: &Log) -> Self {
        let database = read_only(&stage.gateway.database());
        let stored = stored(&database);
        let calls = stage.gateway.sandbox.calls(&CallFilter::default());
        let by_text = by_text(&calls);
        let mut verdict = Self {
            name: plan.name,
            accepted: log.accepted.iter().map(Vec::len).sum(),
            lost: 0,
            twice: 0,
            out_of_order: 0,
            by_status: BTreeMap::new(),
            unfinished: 0,
            unknown: 0,
            unexplained: Vec::new(),
            unknown_but_sent: 0,
            events: 0,
            untold: 0,
            made_up: 0,
            told_again: 0,
            faults: faults(&calls),
            kills: log.kills.len(),
            unanswered: log.unanswered,
            load_s: log.load.as_secs_f64(),
            drain_s: log.drain.as_secs_f64(),
        };
        for (conversation, ids) in stage.conversations.iter().zip(&log.accepted) {
            let taken = taken(conversation, &by_text, ids.len()).await;
            verdict.judge(conversation, ids, &taken, &stored, &by_text, log);
        }
        verdict.hear(stage, &database);
        verdict
    }

    /// The messages of one conversation; `taken` holds, for each that was taken on, when.
    fn judge(
        &mut self,
        conversation: &Conversation,
        ids: &[String],
        taken: &[Vec<u64>],
        stored: &HashMap<String, Stored>,
        by_text: &HashMap<String, Vec<Arc<Call>>>,
        log: &Log,
    ) {
        let mut last = 0;
        for (number, (id, times)) in ids.iter().zip(taken).enumerate() {
            let Some(message) = stored.get(id) else {
                self.lost += 1;
                continue;
            };
            *self.by_status.entry(message.status.clone()).or_default() += 1;
            self.twice += usize::from(times.len() > 1);
            match message.status.as_str() {
                "sent" | "delivered" | "read" => self.lost += usize::from(times.is_empty()),
                // No fault of the storm's is for good.
                "failed" | "expired" | "canceled" => self.lost += 1,
                "unknown" => {
                    self.unknown += 1;
                    self.unknown_but_sent += usize::from(!times.is_empty());
                    let text = conversation.text(number);
                    let calls = by_text.get(&text).map_or(&[][..], Vec::as_slice);
                    if !is_explained(message, calls, &log.kills) {
                        self.unexplained
                            .push(story(&text, message, calls, &log.kills));
                    }
                }
                _ => {
                    self.unfinished += 1;
                    self.lost += 1;
                }
            }
            if let Some(first) = times.first() {
                self.out_of_order += usize::from(*first < last);
                last = last.max(*first);
            }
        }
    }

    /// What the subscriber was told.
    fn hear(&mut self, stage: &Stage, database: &Connection) {
        let of_database = "SELECT event_id FROM delivery";
        let expected: HashSet<String> = strings(database, of_database).into_iter().collect();
        // Signatures are held to elsewhere: by now the first are too old.
        let received = stage.gateway.sandbox.events(&stage.subscriber.name, 0);
        let ids = received.iter().filter_map(|event| event.id.as_ref());
        let heard: HashSet<&String> = ids.collect();
        let mut ids_of: HashMap<(String, Option<&String>), BTreeSet<Option<&String>>> =
            HashMap::new();
        for event in &received {
            let body: Value = serde_json::from_str(&event.body).expect("JSON");
            let message = body["data"]["message"]["id"].as_str().unwrap_or_default();
            let about = (message.to_owned(), event.kind.as_ref());
            ids_of.entry(about).or_default().insert(event.id.as_ref());
        }
        let under_many = ids_of.values().filter(|ids| ids.len() > 1).count();
        self.events = expected.len();
        self.untold = expected.iter().filter(|id| !heard.contains(id)).count() + under_many;
        self.made_up = heard.iter().filter(|id| !expected.contains(**id)).count();
        self.told_again = received.len() - heard.len();
    }

    /// What is promised.
    pub fn assert_kept(&self) {
        assert_eq!(self.lost, 0, "lost");
        assert_eq!(self.twice, 0, "sent twice");
        assert_eq!(self.out_of_order, 0, "out of order");
        assert_eq!(self.unfinished, 0, "not at an end");
        assert!(self.unexplained.is_empty(), "{:?}", self.unexplained);
        assert_eq!(self.untold, 0, "events not told under one id");
        assert_eq!(self.made_up, 0, "events that are none");
        let hit = self.faults.len();
        assert!(hit >= 6, "too calm to prove anything: {:?}", self.faults);
    }
}

fn stored(database: &Connection) -> HashMap<String, Stored> {
    let mut statement = database
        .prepare(
            "SELECT id, status, sending_at, unknown_at FROM message WHERE direction = 'outbound'",
        )
        .expect("the schema");
    let rows = statement.query_map([], |row| {
        let stored = Stored {
            status: row.get(1)?,
            sending_at: row.get(2)?,
            unknown_at: row.get(3)?,
        };
        Ok((row.get(0)?, stored))
    });
    let rows = rows.expect("the messages");
    rows.map(|row| row.expect("a message")).collect()
}

fn strings(database: &Connection, query: &str) -> Vec<String> {
    let mut statement = database.prepare(query).expect("the schema");
    let rows = statement.query_map([], |row| row.get(0)).expect("rows");
    rows.map(|row| row.expect("a text")).collect()
}

fn by_text(calls: &[Arc<Call>]) -> HashMap<String, Vec<Arc<Call>>> {
    let mut by_text: HashMap<String, Vec<Arc<Call>>> = HashMap::new();
    for call in calls {
        if let Some(text) = &call.text {
            by_text
                .entry(text.clone())
                .or_default()
                .push(Arc::clone(call));
        }
    }
    by_text
}

/// For each message of a conversation, the places at which it was taken on.
async fn taken(
    conversation: &Conversation,
    by_text: &HashMap<String, Vec<Arc<Call>>>,
    count: usize,
) -> Vec<Vec<u64>> {
    let texts = (0..count).map(|number| conversation.text(number));
    let Some(visitor) = &conversation.visitor else {
        let places = texts.map(|text| {
            let calls = by_text.get(&text).into_iter().flatten();
            let accepted = calls.filter(|call| call.accepted);
            accepted.map(|call| call.seq).collect()
        });
        return places.collect();
    };
    let mut seen: HashMap<String, Vec<u64>> = HashMap::new();
    let mut after = 0;
    loop {
        let page = visitor.reads(after, 0).await;
        for message in &page {
            after = message["seq"].as_u64().expect("a seq");
            let text = message["content"]["text"].as_str().unwrap_or_default();
            seen.entry(text.to_owned()).or_default().push(after);
        }
        if page.is_empty() {
            break;
        }
    }
    texts
        .map(|text| seen.remove(&text).unwrap_or_default())
        .collect()
}

/// Whether a fault without a clear answer hit the send, or a kill while it was under way.
fn is_explained(message: &Stored, calls: &[Arc<Call>], kills: &[i64]) -> bool {
    let is_unclear = |call: &Arc<Call>| match call.outcome {
        "reset" | "hang" | "hangAccepted" | "acceptReset" | "truncate" => true,
        // Twilio's word for what may have been sent, too.
        "codedServerError" => call.provider == "sms",
        _ => false,
    };
    let sending = message.sending_at.unwrap_or(i64::MAX);
    let unknown = message.unknown_at.unwrap_or(0);
    let was_cut_off = kills.iter().any(|kill| {
        let called = calls.last().map_or(*kill, |call| milliseconds(&call.at));
        sending <= *kill && *kill <= unknown && (kill - called).abs() <= UNDER_WAY_MS
    });
    was_cut_off || calls.iter().any(is_unclear)
}

/// What is known of a message, for whoever looks for the cause.
fn story(text: &str, message: &Stored, calls: &[Arc<Call>], kills: &[i64]) -> String {
    let calls = calls
        .iter()
        .map(|call| (milliseconds(&call.at), call.outcome));
    format!(
        "`{text}` sending at {:?}, unknown at {:?}, calls {:?}, kills {kills:?}",
        message.sending_at,
        message.unknown_at,
        calls.collect::<Vec<_>>(),
    )
}

fn milliseconds(at: &str) -> i64 {
    let at = patchbay::model::time::Timestamp::parse_rfc3339(at);
    at.expect("a time").ms()
}

fn faults(calls: &[Arc<Call>]) -> BTreeMap<&'static str, usize> {
    let mut faults = BTreeMap::new();
    for call in calls {
        if !matches!(call.outcome, "accepted" | "done" | "refused") {
            *faults.entry(call.outcome).or_default() += 1;
        }
    }
    faults
}

impl fmt::Display for Verdict {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |counts: Vec<(String, usize)>| {
            let counts = counts.iter().map(|(name, count)| format!("{count} {name}"));
            counts.collect::<Vec<_>>().join(", ")
        };
        let owned = |(name, count): (&&str, &usize)| ((*name).to_owned(), *count);
        let statuses = self
            .by_status
            .iter()
            .map(|(name, count)| (name.clone(), *count));
        let rows = [
            ("accepted", self.accepted.to_string()),
            ("kills", self.kills.to_string()),
            ("requests without an answer", self.unanswered.to_string()),
            ("faults", list(self.faults.iter().map(owned).collect())),
            ("statuses", list(statuses.collect())),
            ("lost", self.lost.to_string()),
            ("sent twice", self.twice.to_string()),
            ("out of order", self.out_of_order.to_string()),
            ("not at an end", self.unfinished.to_string()),
            (
                "unknown",
                format!(
                    "{}, of which {} were sent",
                    self.unknown, self.unknown_but_sent
                ),
            ),
            (
                "unknown without a cause",
                self.unexplained.len().to_string(),
            ),
            (
                "events",
                format!(
                    "{}, {} untold, {} told again under their id",
                    self.events, self.untold, self.told_again
                ),
            ),
            (
                "seconds",
                format!(
                    "{:.0} of load, {:.0} until the end",
                    self.load_s, self.drain_s
                ),
            ),
        ];
        writeln!(out, "| storm `{}` | |\n|---|---|", self.name)?;
        for (name, value) in rows {
            writeln!(out, "| {name} | {value} |")?;
        }
        Ok(())
    }
}
