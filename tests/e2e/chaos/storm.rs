//! The storm itself: sends, faults, kills, and then nothing but faults until all has ended.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::{join, join_all};
use patchbay_sandbox::{Fault, FaultMode, Weather};
use reqwest::Method;
use rusqlite::{Connection, OpenFlags};
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::plan::Plan;
use super::stage::Stage;
use crate::harness::{Reply, now_ms};

/// What was seen while it raged.
pub struct Log {
    /// The ids of what was accepted, in the order of each conversation.
    pub accepted: Vec<Vec<String>>,
    /// Requests that got no answer, or not that of the gateway's.
    pub unanswered: usize,
    /// Unix milliseconds.
    pub kills: Vec<i64>,
    pub load: Duration,
    pub drain: Duration,
}

/// How long nothing may move before a storm without a sweep counts as over.
const STILL: Duration = Duration::from_secs(20);

pub async fn rage(stage: &Stage, plan: &Plan) -> Log {
    stage.gateway.sandbox.brew(Weather {
        per_mille: plan.faults_per_mille,
        faults: [
            FaultMode::Throttle,
            FaultMode::CodedServerError,
            FaultMode::Reset,
            FaultMode::AcceptReset,
            FaultMode::Hang,
            FaultMode::HangAccepted,
            FaultMode::Truncate,
        ]
        .map(|mode| {
            let fault = Fault::new("*", mode);
            if mode == FaultMode::Throttle {
                fault.retry_after(1)
            } else {
                fault
            }
        })
        .to_vec(),
    });
    let counts = Counts::default();
    let started = Instant::now();
    let clients = (0..plan.clients).map(|client| send_all(stage, plan, client, &counts));
    let load = async {
        let accepted = join_all(clients).await;
        (accepted, started.elapsed())
    };
    let storm = async {
        let kills = kill_again_and_again(stage, plan, &counts);
        let ((accepted, load), kills) = join(load, kills).await;
        let began = Instant::now();
        drained(stage, plan).await;
        stage.gateway.sandbox.clear_faults();
        counts.is_over.store(true, Ordering::Relaxed);
        (accepted, load, kills, began.elapsed())
    };
    let ((accepted, load, kills, drain), ()) = join(storm, fire_cron(stage, plan, &counts)).await;
    let mut ids = vec![Vec::new(); stage.conversations.len()];
    for (conversation, sent) in accepted.into_iter().flatten() {
        ids[conversation] = sent;
    }
    Log {
        accepted: ids,
        unanswered: counts.unanswered.load(Ordering::Relaxed),
        kills,
        load,
        drain,
    }
}

#[derive(Default)]
struct Counts {
    accepted: AtomicUsize,
    unanswered: AtomicUsize,
    is_over: AtomicBool,
}

/// One client: its conversations in turn, each message until it is accepted.
async fn send_all(
    stage: &Stage,
    plan: &Plan,
    client: usize,
    counts: &Counts,
) -> BTreeMap<usize, Vec<String>> {
    let own = (client..plan.conversations).step_by(plan.clients);
    let mut sent: BTreeMap<usize, Vec<String>> = own.map(|at| (at, Vec::new())).collect();
    for number in 0..plan.sends / plan.conversations {
        for (at, ids) in &mut sent {
            let conversation = &stage.conversations[*at];
            let text = conversation.text(number);
            let body = json!({
                "from": conversation.from, "to": conversation.to,
                "content": { "type": "text", "text": text },
            });
            ids.push(accepted(stage, &text, &body, counts).await);
            counts.accepted.fetch_add(1, Ordering::Relaxed);
        }
    }
    sent
}

/// Repeats a send under one key until there is an answer.
async fn accepted(stage: &Stage, key: &str, body: &serde_json::Value, counts: &Counts) -> String {
    loop {
        let request = stage
            .tenant
            .request(Method::POST, "/v1/messages")
            .header("idempotency-key", key)
            .timeout(Duration::from_secs(10))
            .json(body);
        match Reply::try_of(request).await {
            Ok(reply) if reply.status == 202 => {
                let id = reply.body["id"].as_str().expect("an id");
                return id.to_owned();
            }
            // Killed, restarting, or the database was busy.
            Ok(reply) if reply.status >= 500 => {}
            Ok(reply) => panic!("{key}: {} {}", reply.status, reply.text),
            Err(_) => {}
        }
        counts.unanswered.fetch_add(1, Ordering::Relaxed);
        sleep(Duration::from_millis(100)).await;
    }
}

/// Kills the runtime at even shares of the load, and starts it on what it left.
async fn kill_again_and_again(stage: &Stage, plan: &Plan, counts: &Counts) -> Vec<i64> {
    let mut kills = Vec::new();
    for kill in 1..=plan.kills {
        let after = plan.sends * kill / (plan.kills + 1);
        while counts.accepted.load(Ordering::Relaxed) < after {
            sleep(Duration::from_millis(20)).await;
        }
        stage.gateway.kill_9();
        kills.push(now_ms());
        stage.gateway.restart().await;
    }
    kills
}

/// Cron, more often than by the minute: what waits for it waits less.
async fn fire_cron(stage: &Stage, plan: &Plan, counts: &Counts) {
    while plan.sweeps && !counts.is_over.load(Ordering::Relaxed) {
        let path = "/__scheduled?cron=*+*+*+*+*";
        // The runtime may be dead just now.
        let _ = stage.gateway.admin.try_get(path).await;
        sleep(Duration::from_secs(1)).await;
    }
}

/// Waits until everything has ended, or time is up.
async fn drained(stage: &Stage, plan: &Plan) {
    let began = Instant::now();
    let mut last = (i64::MAX, Instant::now());
    loop {
        let left = unfinished(&stage.gateway.database());
        if left != last.0 {
            last = (left, Instant::now());
        }
        let is_still = !plan.sweeps && last.1.elapsed() > STILL;
        if left == 0 || is_still || began.elapsed() > plan.drains_within {
            return;
        }
        sleep(Duration::from_millis(500)).await;
    }
}

/// Messages and deliveries that have not come to an end.
fn unfinished(database: &PathBuf) -> i64 {
    let count =
        "SELECT (SELECT COUNT(*) FROM message WHERE turn IS NOT NULL OR lease_until IS NOT NULL)
        + (SELECT COUNT(*) FROM delivery WHERE due_at IS NOT NULL OR lease_until IS NOT NULL)";
    // While the runtime writes it may be busy.
    read_only(database)
        .query_row(count, [], |row| row.get(0))
        .unwrap_or(i64::MAX)
}

pub fn read_only(database: &PathBuf) -> Connection {
    Connection::open_with_flags(database, OpenFlags::SQLITE_OPEN_READ_ONLY).expect("the database")
}
