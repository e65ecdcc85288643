//! What the deployment did and what waits, in the text form that Prometheus reads.
//! <https://prometheus.io/docs/instrumenting/exposition_formats/>

use super::{Error, Gateway, Ports, next};
use crate::store::counters::{self, Counts};
use crate::store::outbox::Outcome;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt::Write;

/// A total: its name, the name of its label, and what it counts.
const TOTALS: [(&str, &str, &str); 7] = [
    (
        "messages_accepted",
        "",
        "Messages accepted and come to their first attempt.",
    ),
    ("messages_sent", "", "Messages that a provider took."),
    (
        "messages_failed",
        "code",
        "Messages that failed or expired, by our code.",
    ),
    (
        "messages_unknown",
        "",
        "Sends that nobody knows the outcome of.",
    ),
    ("attempts", "outcome", "Attempts to send, by outcome."),
    (
        "deliveries",
        "outcome",
        "Attempts to tell a subscriber, by what became of the delivery.",
    ),
    (
        "sweep_found",
        "what",
        "What the sweep found left over, or the dead-letter queues held.",
    ),
];

/// Under which sends are counted: one row for all that is counted of one. Its label is whether it
/// was the first attempt, what that came to, what became of the message, and the code of a failure.
const SENDS: &str = "sends";

/// Counts what a group of sends came to.
pub(super) fn count_sends(outcomes: &[Outcome]) -> Counts {
    let mut counts = Counts::new();
    for outcome in outcomes {
        let which = if outcome.attempt == 1 {
            "first"
        } else {
            "later"
        };
        let code = outcome.code.as_deref().unwrap_or(outcome.status);
        let label = format!("{which} {} {} {code}", outcome.outcome, outcome.status);
        counters::count(&mut counts, SENDS, &label);
    }
    counts
}

/// The totals that a total counts in, by name and label.
fn counted_in<'a>(name: &'a str, label: &'a str) -> Vec<(&'a str, &'a str)> {
    let words: Vec<&str> = label.split(' ').collect();
    let (SENDS, [which, outcome, status, code]) = (name, words.as_slice()) else {
        return vec![(name, label)];
    };
    let mut totals = vec![("attempts", *outcome)];
    if *which == "first" {
        totals.push(("messages_accepted", ""));
    }
    match *status {
        "sent" => totals.push(("messages_sent", "")),
        "unknown" => totals.push(("messages_unknown", "")),
        "failed" | "expired" => totals.push(("messages_failed", code)),
        _ => {}
    }
    totals
}

/// Counts of one total, by label; what is none is left out.
pub(super) fn count_by(name: &'static str, counts: &[(&str, usize)]) -> Counts {
    let counts = counts.iter().filter(|(_, count)| *count > 0);
    let counts = counts.map(|(label, count)| {
        let count = i64::try_from(*count).unwrap_or(i64::MAX);
        ((name, (*label).to_owned()), count)
    });
    counts.collect()
}

impl<P: Ports> Gateway<P> {
    /// Adds to the totals. What is not counted does not matter enough to fail for.
    pub(super) async fn count(&self, counts: Counts) {
        if !counts.is_empty() {
            let _ = self
                .batch(vec![counters::add(&counts, &self.token())])
                .await;
        }
    }

    /// Counts what came to a dead-letter queue, which is tried once more.
    pub async fn count_dead(&self, queue: &str, messages: usize) {
        self.count(count_by("sweep_found", &[(queue, messages)]))
            .await;
    }

    /// The totals, and what waits now.
    pub async fn metrics(&self) -> Result<String, Error> {
        #[derive(Deserialize)]
        struct Total {
            name: String,
            label: String,
            value: i64,
        }
        #[derive(Default, Deserialize)]
        struct Waiting {
            message: i64,
            message_due_at: Option<i64>,
            delivery: i64,
            delivery_due_at: Option<i64>,
        }
        let now = self.now();
        let batch = vec![counters::totals(), counters::waiting(now)];
        let mut rows = self.batch(batch).await?.into_iter();
        let kept: Vec<Total> = next(&mut rows).read()?;
        let mut totals: BTreeMap<(&str, &str), i64> = BTreeMap::new();
        for total in &kept {
            for counted in counted_in(&total.name, &total.label) {
                *totals.entry(counted).or_default() += total.value;
            }
        }
        let waiting: Waiting = next(&mut rows).first()?.unwrap_or_default();
        let mut text = String::new();
        for (name, label, help) in TOTALS {
            heading(&mut text, &format!("{name}_total"), "counter", help);
            let of_name = || totals.iter().filter(|((it, _), _)| *it == name);
            if of_name().next().is_none() && label.is_empty() {
                let _ = writeln!(text, "patchbay_{name}_total 0");
            }
            for ((_, word), value) in of_name() {
                // Labels are words of ours: nothing in them is to be escaped.
                let labels = if label.is_empty() {
                    String::new()
                } else {
                    format!("{{{label}=\"{word}\"}}")
                };
                let _ = writeln!(text, "patchbay_{name}_total{labels} {value}");
            }
        }
        let age = |due_at: Option<i64>| due_at.map_or(0, |at| (now.ms() - at).max(0) / 1000);
        let gauges = [
            (
                "queue_waiting",
                "What is due and has not ended; counted to 10,000.",
                waiting.message,
                waiting.delivery,
            ),
            (
                "queue_age_seconds",
                "How long the oldest of it has been due.",
                age(waiting.message_due_at),
                age(waiting.delivery_due_at),
            ),
            (
                "oldest_due_timestamp_seconds",
                "When the oldest that has not ended is or was due; 0 where there is none.",
                waiting.message_due_at.unwrap_or(0) / 1000,
                waiting.delivery_due_at.unwrap_or(0) / 1000,
            ),
        ];
        for (name, help, messages, deliveries) in gauges {
            heading(&mut text, name, "gauge", help);
            for (queue, value) in [("outbound", messages), ("events", deliveries)] {
                let _ = writeln!(text, "patchbay_{name}{{queue=\"{queue}\"}} {value}");
            }
        }
        Ok(text)
    }
}

fn heading(text: &mut String, name: &str, kind: &str, help: &str) {
    let _ = writeln!(text, "# HELP patchbay_{name} {help}");
    let _ = writeln!(text, "# TYPE patchbay_{name} {kind}");
}
