//! What Cloudflare bills, and what that comes to in a month. Prices in US dollars, of the Workers Paid plan:
//!
//! - <https://developers.cloudflare.com/workers/platform/pricing/>
//! - <https://developers.cloudflare.com/d1/platform/pricing/>
//! - <https://developers.cloudflare.com/queues/platform/pricing/>
//! - <https://developers.cloudflare.com/kv/platform/pricing/>

use serde::Serialize;

/// The plan itself, a month.
const PLAN: f64 = 5.00;
/// A queue message is written, read and deleted.
const OPERATIONS_PER_QUEUE_MESSAGE: f64 = 3.0;
const BYTES_PER_GB: f64 = 1e9;

const REQUESTS: Price = Price::new(10e6, 0.30);
const CPU_MS: Price = Price::new(30e6, 0.02);
const ROWS_READ: Price = Price::new(25e9, 0.001);
const ROWS_WRITTEN: Price = Price::new(50e6, 1.00);
const QUEUE_OPERATIONS: Price = Price::new(1e6, 0.40);
const KV_READS: Price = Price::new(10e6, 0.50);
/// A gigabyte for a month, of which five are included.
const STORED_GB: Price = Price {
    included: 5.0,
    each: 1.0,
    dollars: 0.75,
};

/// So many are included; each million more costs so much.
#[derive(Clone, Copy)]
struct Price {
    included: f64,
    each: f64,
    dollars: f64,
}

impl Price {
    const fn new(included: f64, dollars: f64) -> Self {
        Self {
            included,
            each: 1e6,
            dollars,
        }
    }

    fn of(self, used: f64) -> f64 {
        (used - self.included).max(0.0) / self.each * self.dollars
    }
}

/// What one message takes.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Units {
    /// HTTP requests to the Worker.
    pub requests: f64,
    /// Batches that the consumers were given.
    pub invocations: f64,
    pub rows_read: f64,
    pub rows_written: f64,
    pub queue_messages: f64,
    pub kv_operations: f64,
    /// Of the local runtime, its database included: more than is billed.
    pub cpu_ms: f64,
}

impl Units {
    pub fn queue_operations(&self) -> f64 {
        self.queue_messages * OPERATIONS_PER_QUEUE_MESSAGE
    }

    pub fn and(self, other: Self) -> Self {
        Self {
            requests: self.requests + other.requests,
            invocations: self.invocations + other.invocations,
            rows_read: self.rows_read + other.rows_read,
            rows_written: self.rows_written + other.rows_written,
            queue_messages: self.queue_messages + other.queue_messages,
            kv_operations: self.kv_operations + other.kv_operations,
            cpu_ms: self.cpu_ms + other.cpu_ms,
        }
    }
}

/// The lines of a month's bill.
#[derive(Debug, Serialize)]
pub struct Month {
    pub requests: f64,
    pub cpu: f64,
    pub rows_read: f64,
    pub rows_written: f64,
    pub queues: f64,
    pub kv: f64,
    pub storage: f64,
    pub total: f64,
}

/// The bill for so many times these units, and for so many bytes kept. Consumers' invocations are counted as
/// requests.
pub fn month(units: &Units, times: f64, stored_bytes: f64) -> Month {
    let requests = REQUESTS.of((units.requests + units.invocations) * times);
    let cpu = CPU_MS.of(units.cpu_ms * times);
    let rows_read = ROWS_READ.of(units.rows_read * times);
    let rows_written = ROWS_WRITTEN.of(units.rows_written * times);
    let queues = QUEUE_OPERATIONS.of(units.queue_operations() * times);
    let kv = KV_READS.of(units.kv_operations * times);
    let storage = STORED_GB.of(stored_bytes / BYTES_PER_GB);
    Month {
        requests,
        cpu,
        rows_read,
        rows_written,
        queues,
        kv,
        storage,
        total: PLAN + requests + cpu + rows_read + rows_written + queues + kv + storage,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_is_the_plan_and_what_is_not_included() {
        let units = Units {
            requests: 1.0,
            invocations: 1.0,
            rows_read: 100.0,
            rows_written: 10.0,
            queue_messages: 1.0,
            kv_operations: 0.0,
            cpu_ms: 2.0,
        };
        assert_eq!(month(&units, 100_000.0, 1e9).total, 5.0);
        let bill = month(&units, 10e6, 10e9);
        assert!((bill.requests - 3.0).abs() < 1e-9);
        assert_eq!(bill.cpu, 0.0);
        assert_eq!(bill.rows_read, 0.0);
        assert!((bill.rows_written - 50.0).abs() < 1e-9);
        assert!((bill.queues - 11.6).abs() < 1e-9);
        assert!((bill.storage - 3.75).abs() < 1e-9);
        assert!((bill.total - 73.35).abs() < 1e-9);
    }
}
