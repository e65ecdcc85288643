//! Messages from end to end, consumers included: how long they take, and what they cost.

use std::collections::HashMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use patchbay_sandbox::{CallFilter, Sandbox};
use serde::Serialize;
use serde_json::Value;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use super::load::{self, CLIENTS, cost_of, percentile};
use super::prices::Units;
use super::scene::{PEOPLE, SUBSCRIBER, Scene, person};
use super::server::{Consumers, Server};
use super::{Extent, lists, program};
use crate::paths::Paths;
use crate::problem::{Doing, Problem, Result};
use crate::progress::Progress;

/// Between two messages of those that come one by one.
const PACE: Duration = Duration::from_millis(50);
const PATIENCE: Duration = Duration::from_secs(180);

/// One direction.
#[derive(Debug, Serialize)]
pub struct Way {
    pub title: &'static str,
    pub p50_ms: f64,
    pub p95_ms: f64,
    pub p99_ms: f64,
    /// Of many at once.
    pub drained_per_second: f64,
}

/// For each message.
#[derive(Debug, Serialize)]
pub struct Bill {
    pub outbound: Units,
    pub inbound: Units,
    /// Of the database, for a message of either kind with its events.
    pub stored_bytes: f64,
}

pub struct Flow<'a> {
    pub(super) progress: &'a Progress,
    pub(super) sandbox: &'a Sandbox,
    pub(super) extent: &'a Extent,
    pub(super) server: Server,
    pub(super) scene: Scene,
    /// How many messages were made, in either direction.
    messages: usize,
}

impl<'a> Flow<'a> {
    pub async fn begin(
        paths: &Paths,
        progress: &'a Progress,
        sandbox: &'a Sandbox,
        extent: &'a Extent,
    ) -> Result<Self> {
        progress.step("Starting Patchbay with its consumers…");
        let mut server =
            Server::patchbay(paths, "flow", Consumers::Run, sandbox.variables().to_vec()).await?;
        server.start(paths).await?;
        let scene = Scene::set(server.url(), sandbox, &["message.*"]).await?;
        let flow = Self {
            progress,
            sandbox,
            extent,
            server,
            scene,
            messages: PEOPLE,
        };
        flow.is_quiet().await?;
        Ok(flow)
    }

    /// What a message costs in each direction, one at a time. A message out has two reports of its provider,
    /// `sent` and `delivered`.
    pub async fn bill(&mut self, paths: &Paths) -> Result<Bill> {
        self.progress.step("Counting what a message costs…");
        let count = self.extent.billed;
        let mut costs = Vec::new();
        let (log, cpu) = (self.server.log_length(), self.server.cpu_ms());
        for number in 0..count {
            let words = format!("Billed {number}");
            let seen = self.last_call();
            costs.push(
                load::answered(self.scene.send(&person(number % PEOPLE), &words))
                    .await?
                    .1,
            );
            let provider_id = self.provider_id(seen, &words).await?;
            for status in ["sent", "delivered"] {
                let report = self.scene.report(&provider_id, status).await?;
                costs.push(load::answered(report).await?.1);
            }
        }
        self.is_quiet().await?;
        let outbound = self.units(count, &costs, log, cpu);

        costs.clear();
        let (log, cpu) = (self.server.log_length(), self.server.cpu_ms());
        for number in 0..count {
            let texts = [(number % PEOPLE, format!("Billed {number}"))];
            let request = self.scene.webhook(&texts).await?;
            costs.push(load::answered(request).await?.1);
            // As far apart as those that come one by one.
            sleep(PACE).await;
        }
        self.is_quiet().await?;
        let inbound = self.units(count, &costs, log, cpu);
        self.messages += 2 * count;
        let stored_bytes = self.stored_bytes(paths).await?;
        Ok(Bill {
            outbound,
            inbound,
            stored_bytes,
        })
    }

    /// What the database has grown to for each message; the Worker is down meanwhile.
    async fn stored_bytes(&mut self, paths: &Paths) -> Result<f64> {
        program::build(paths, "seed", &[]).await?;
        self.server.stop();
        // Nobody is added; the log of the database is written into its file.
        lists::seed(paths, &self.server, &self.scene, 0..0).await?;
        let file = self.server.database()?;
        let size = std::fs::metadata(&file)
            .doing("look at the database")?
            .len();
        self.server.start(paths).await?;
        Ok(size as f64 / self.messages as f64)
    }

    fn units(&self, count: usize, costs: &[String], log: u64, cpu: f64) -> Units {
        let consumed = consumed(&self.server.log_from(log));
        let sum = |name| costs.iter().map(|cost| cost_of(cost, name)).sum::<f64>();
        let count = count as f64;
        Units {
            requests: costs.len() as f64 / count,
            invocations: consumed.invocations / count,
            rows_read: (sum("read") + consumed.rows_read) / count,
            rows_written: (sum("written") + consumed.rows_written) / count,
            queue_messages: consumed.messages / count,
            kv_operations: (sum("kv") + consumed.kv_operations) / count,
            cpu_ms: (self.server.cpu_ms() - cpu) / count,
        }
    }

    pub async fn measure(&mut self) -> Result<Vec<Way>> {
        let (paced, burst) = (self.extent.paced, self.extent.burst);
        self.progress.step("Following messages out…");
        let latencies = self.paced_out(paced).await?;
        let drained = self.burst_out(burst).await?;
        let out = way("accepted → the provider is called", &latencies, drained);
        self.progress.step("Following messages in…");
        let latencies = self.paced_in(paced).await?;
        let drained = self.burst_in(burst).await?;
        let into = way("received → the subscriber is called", &latencies, drained);
        self.messages += 2 * (paced + burst);
        Ok(vec![out, into])
    }

    async fn paced_out(&self, count: usize) -> Result<Vec<f64>> {
        let seen = self.last_call();
        let mut began = HashMap::new();
        let mut ticks = interval(PACE);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        for number in 0..count {
            ticks.tick().await;
            let words = format!("Paced out {number}");
            began.insert(words.clone(), now_ms());
            load::answered(self.scene.send(&person(number % PEOPLE), &words)).await?;
        }
        let called = self.calls(seen, count).await?;
        Ok(latencies(&began, &called))
    }

    async fn burst_out(&self, count: usize) -> Result<f64> {
        let seen = self.last_call();
        let began = now_ms();
        let clients = (0..CLIENTS).map(async |client| {
            for number in (client..count).step_by(CLIENTS) {
                let words = format!("Burst out {number}");
                load::answered(self.scene.send(&person(number % PEOPLE), &words)).await?;
            }
            Ok(())
        });
        load::all(clients).await?;
        let called = self.calls(seen, count).await?;
        self.is_quiet().await?;
        Ok(drained(began, &called))
    }

    async fn paced_in(&self, count: usize) -> Result<Vec<f64>> {
        self.sandbox.clear_events(SUBSCRIBER);
        let mut began = HashMap::new();
        let mut ticks = interval(PACE);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        for number in 0..count {
            ticks.tick().await;
            let words = format!("Paced in {number}");
            began.insert(words.clone(), now_ms());
            let request = self.scene.webhook(&[(number % PEOPLE, words)]).await?;
            load::answered(request).await?;
        }
        let told = self.events("Paced in", count).await?;
        Ok(latencies(&began, &told))
    }

    async fn burst_in(&self, count: usize) -> Result<f64> {
        self.sandbox.clear_events(SUBSCRIBER);
        let began = now_ms();
        let clients = (0..CLIENTS).map(async |client| {
            for number in (client..count).step_by(CLIENTS) {
                let texts = [(number % PEOPLE, format!("Burst in {number}"))];
                load::answered(self.scene.webhook(&texts).await?).await?;
            }
            Ok(())
        });
        load::all(clients).await?;
        let told = self.events("Burst in", count).await?;
        Ok(drained(began, &told))
    }

    fn last_call(&self) -> u64 {
        let newest = CallFilter {
            limit: Some(1),
            ..CallFilter::default()
        };
        self.sandbox
            .calls(&newest)
            .last()
            .map_or(0, |call| call.seq)
    }

    async fn provider_id(&self, seen: u64, words: &str) -> Result<String> {
        eventually("the provider is called", || {
            let calls = self.accepted_calls(seen);
            let call = calls
                .iter()
                .find(|call| call.text.as_deref() == Some(words))?;
            call.message_id.clone()
        })
        .await
    }

    fn accepted_calls(&self, seen: u64) -> Vec<std::sync::Arc<patchbay_sandbox::Call>> {
        self.sandbox.calls(&CallFilter {
            after: Some(seen),
            accepted: Some(true),
            ..CallFilter::default()
        })
    }

    /// The texts that the provider was given since, and when, once they are so many.
    async fn calls(&self, seen: u64, count: usize) -> Result<HashMap<String, f64>> {
        eventually("all messages are sent", || {
            let calls = self.accepted_calls(seen);
            (calls.len() >= count).then(|| {
                let texts = calls.iter();
                texts
                    .filter_map(|call| Some((call.text.clone()?, ms_of(&call.at)?)))
                    .collect()
            })
        })
        .await
    }

    /// The received texts that the subscriber was told, and when, once they are so many.
    async fn events(&self, prefix: &str, count: usize) -> Result<HashMap<String, f64>> {
        eventually("the subscriber is told of all messages", || {
            let events = self.sandbox.events(SUBSCRIBER, 0);
            if events.len() < count {
                return None;
            }
            let told: HashMap<String, f64> = events
                .iter()
                .filter_map(|event| {
                    let body: Value = serde_json::from_str(&event.body).ok()?;
                    let words = body["data"]["message"]["content"]["text"].as_str()?;
                    let at = ms_of(&event.received_at)?;
                    words.starts_with(prefix).then(|| (words.to_owned(), at))
                })
                .collect();
            (told.len() >= count).then_some(told)
        })
        .await
    }

    /// Waits until the consumers have done nothing for a while.
    pub(super) async fn is_quiet(&self) -> Result<()> {
        let started = Instant::now();
        let mut length = self.server.log_length();
        loop {
            sleep(Duration::from_millis(1_500)).await;
            let now = self.server.log_length();
            if now == length || started.elapsed() > PATIENCE {
                return Ok(());
            }
            length = now;
        }
    }
}

/// What the consumers' log lines add up to.
#[derive(Debug, Default, PartialEq)]
struct Consumed {
    invocations: f64,
    messages: f64,
    rows_read: f64,
    rows_written: f64,
    kv_operations: f64,
}

fn consumed(log: &str) -> Consumed {
    let lines = log.lines().filter_map(|line| {
        let json = line.get(line.find('{')?..)?;
        let line: Value = serde_json::from_str(json).ok()?;
        (line["event"] == "queue.consumed").then_some(line)
    });
    lines.fold(Consumed::default(), |sum, line| {
        let number = |name: &str| line[name].as_f64().unwrap_or(0.0);
        Consumed {
            invocations: sum.invocations + 1.0,
            messages: sum.messages + number("messages"),
            rows_read: sum.rows_read + number("read"),
            rows_written: sum.rows_written + number("written"),
            kv_operations: sum.kv_operations + number("kv"),
        }
    })
}

fn way(title: &'static str, latencies: &[f64], drained_per_second: f64) -> Way {
    Way {
        title,
        p50_ms: percentile(latencies, 50.0),
        p95_ms: percentile(latencies, 95.0),
        p99_ms: percentile(latencies, 99.0),
        drained_per_second,
    }
}

/// From the request to the call, of each text.
fn latencies(began: &HashMap<String, f64>, ended: &HashMap<String, f64>) -> Vec<f64> {
    let both = began
        .iter()
        .filter_map(|(words, began)| Some((began, ended.get(words)?)));
    both.map(|(began, ended)| (ended - began).max(0.0))
        .collect()
}

/// How many a second ended, from the first request to the last call.
fn drained(began: f64, ended: &HashMap<String, f64>) -> f64 {
    let last = ended.values().copied().fold(began, f64::max);
    ended.len() as f64 * 1_000.0 / (last - began).max(1.0)
}

fn now_ms() -> f64 {
    Utc::now().timestamp_millis() as f64
}

fn ms_of(timestamp: &str) -> Option<f64> {
    let at = DateTime::parse_from_rfc3339(timestamp).ok()?;
    Some(at.timestamp_millis() as f64)
}

async fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> Result<T> {
    let started = Instant::now();
    loop {
        if let Some(found) = look() {
            return Ok(found);
        }
        if started.elapsed() > PATIENCE {
            return Err(Problem::new(format!(
                "Not within {} s: {what}; see target/bench/flow/wrangler.log.",
                PATIENCE.as_secs()
            )));
        }
        sleep(Duration::from_millis(20)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn consumers_are_counted_by_their_log_lines() {
        let log = "[wrangler] POST / 200 OK\n\
            {\"event\":\"queue.consumed\",\"queue\":\"o\",\"messages\":3,\"read\":40,\"written\":9,\"kv\":0}\n\
            {\"event\":\"other\",\"messages\":3}\n\
            {\"event\":\"queue.consumed\",\"queue\":\"e\",\"messages\":1,\"read\":2,\"written\":1,\"kv\":1}\n";
        let expected = Consumed {
            invocations: 2.0,
            messages: 4.0,
            rows_read: 42.0,
            rows_written: 10.0,
            kv_operations: 1.0,
        };
        assert_eq!(consumed(log), expected);
    }
}
