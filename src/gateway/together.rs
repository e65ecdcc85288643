//! Calls side by side, by the consumers of both queues.

use super::{Gateway, Ports};
use crate::model::time::SECOND_MS;
use futures_util::future::{Either, select};
use futures_util::{Stream, StreamExt};
use std::pin::pin;

/// As many as the runtime opens connections at a time.
pub(super) const AT_ONCE: usize = 6;
/// Longer than any call may take.
pub(super) const LEASE_MS: i64 = 30 * SECOND_MS;
/// A consumer hands the rest back to the queue after this long.
pub(super) const LONGEST_RUN_MS: i64 = 20 * SECOND_MS;

impl<P: Ports> Gateway<P> {
    /// Waits for a call to end, not longer than told, and a while for others, so that they
    /// are recorded in one batch.
    pub(super) async fn ended<T>(
        &self,
        mut under_way: impl Stream<Item = T> + Unpin,
        wait_ms: Option<u32>,
        together_ms: u32,
    ) -> Vec<T> {
        let first = match wait_ms {
            None => under_way.next().await,
            Some(ms) => match select(under_way.next(), pin!(self.ports.sleep(ms))).await {
                Either::Left((done, _)) => done,
                Either::Right(_) => return vec![],
            },
        };
        let mut done = Vec::from_iter(first);
        let mut moment = pin!(self.ports.sleep(together_ms));
        while let Either::Left((Some(more), _)) = select(under_way.next(), moment.as_mut()).await {
            done.push(more);
        }
        done
    }
}
