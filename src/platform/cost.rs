//! What one invocation asked of Cloudflare, counted as it is billed.

use serde_json::{Value, json};
use std::cell::Cell;
use std::fmt;

#[derive(Debug, Default)]
pub struct Cost {
    d1_round_trips: Cell<u64>,
    rows_read: Cell<u64>,
    rows_written: Cell<u64>,
    queue_sends: Cell<u64>,
    kv_operations: Cell<u64>,
}

impl Cost {
    pub fn d1_round_trip(&self) {
        add(&self.d1_round_trips, 1);
    }

    pub fn rows(&self, read: u64, written: u64) {
        add(&self.rows_read, read);
        add(&self.rows_written, written);
    }

    pub fn queue_send(&self) {
        add(&self.queue_sends, 1);
    }

    pub fn kv_operation(&self) {
        add(&self.kv_operations, 1);
    }

    /// The fields of a consumer's log line.
    #[must_use]
    pub fn fields(&self, queue: &str, messages: usize) -> Value {
        json!({
            "queue": queue,
            "messages": messages,
            "d1": self.d1_round_trips.get(),
            "read": self.rows_read.get(),
            "written": self.rows_written.get(),
            "queue_sends": self.queue_sends.get(),
            "kv": self.kv_operations.get(),
        })
    }
}

/// The value of `x-cost`.
impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "d1={};read={};written={};queue={};kv={}",
            self.d1_round_trips.get(),
            self.rows_read.get(),
            self.rows_written.get(),
            self.queue_sends.get(),
            self.kv_operations.get(),
        )
    }
}

fn add(count: &Cell<u64>, more: u64) {
    count.set(count.get().saturating_add(more));
}
