//! The queues' consumers. A message holds ids only; the rows in D1 are the truth, so
//! losing one costs a minute and receiving one twice costs nothing.

use super::log;
use super::ports::Runtime;
use crate::gateway::{DeliveryHint, Gateway, Hint};
use serde_json::json;
use worker::{MessageBatch, MessageExt, QueueRetryOptions, QueueRetryOptionsBuilder, RawMessage};

const RETRY_AFTER_S: u32 = 5;

/// Consumes one batch, by the last word of its queue's name: `outbound` or `events`, and
/// `dead` behind it for what failed too often. That is tried once more; then it is the
/// sweep's, which drives the rows whatever becomes of their hints.
pub async fn consume(batch: &MessageBatch<String>, gateway: &Gateway<Runtime>) {
    let queue = batch.queue();
    let messages = batch.raw_iter().count();
    let alive = queue.strip_suffix("-dead");
    if alive.is_some() {
        log::line("queue.dead", &json!({ "queue": queue, "count": messages }));
    }
    match alive.unwrap_or(&queue).rsplit('-').next() {
        Some("outbound") => {
            let taken = take(batch, &queue, Hint::parse);
            if alive.is_some() {
                gateway.count_dead("dead_sends", messages).await;
            }
            let done = gateway.deliver(taken.hints).await;
            finish(&taken.messages, done.is_ok() || alive.is_some());
        }
        Some("events") => {
            let taken = take(batch, &queue, DeliveryHint::parse);
            if alive.is_some() {
                gateway.count_dead("dead_deliveries", messages).await;
            }
            let done = gateway.publish(taken.hints).await;
            finish(&taken.messages, done.is_ok() || alive.is_some());
        }
        Some(_) | None => return discard(batch, &queue, "queue.unknown"),
    }
    log::line(
        "queue.consumed",
        &gateway.ports.cost().fields(&queue, messages),
    );
}

/// Has the whole batch come again later.
pub fn retry_all(batch: &MessageBatch<String>) {
    batch.retry_all_with_options(&later());
}

/// What a batch asks for, and the messages it came in.
struct Taken<H> {
    hints: Vec<H>,
    messages: Vec<RawMessage>,
}

/// Reads the messages one by one. A body that is none of ours is done with at once:
/// it must not hold up the others.
fn take<H>(
    batch: &MessageBatch<String>,
    queue: &str,
    parse: impl Fn(&str) -> Option<H>,
) -> Taken<H> {
    let mut taken = Taken {
        hints: vec![],
        messages: vec![],
    };
    for message in batch.raw_iter() {
        let body = message.body().as_string();
        match body.and_then(|body| parse(&body)) {
            Some(hint) => {
                taken.hints.push(hint);
                taken.messages.push(message);
            }
            None => {
                log::line(
                    "queue.unreadable",
                    &json!({ "queue": queue, "id": message.id() }),
                );
                message.ack();
            }
        }
    }
    taken
}

/// Messages are retried only where the database failed, which the gateway logged.
fn finish(messages: &[RawMessage], is_done: bool) {
    for message in messages {
        if is_done {
            message.ack();
        } else {
            message.retry_with_options(&later());
        }
    }
}

fn discard(batch: &MessageBatch<String>, queue: &str, event: &str) {
    let count = batch.raw_iter().count();
    log::line(event, &json!({ "queue": queue, "count": count }));
    batch.ack_all();
}

fn later() -> QueueRetryOptions {
    QueueRetryOptionsBuilder::new()
        .with_delay_seconds(RETRY_AFTER_S)
        .build()
}
