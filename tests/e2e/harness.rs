//! A gateway to test against, and the tenants, channels and subscribers of a test.
//!
//! Most tests share one gateway; each has a workspace, channels and people of its own, so that none sees another's.

mod gateway;
mod http;
mod process;
mod subscriber;
mod tenant;

use std::future::Future;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::time::{Instant, sleep};

pub use gateway::Gateway;
pub use http::{Api, Reply};
pub use subscriber::{Received, Subscriber};
pub use tenant::{Channel, Tenant, Visitor, statuses, text};

/// Begins every phone number and chat id of these tests.
pub const PERSON_PREFIX: &str = "559971234";
/// In every message text of these tests.
pub const WORD: &str = "quetzal";
/// In every secret of these tests: tokens of providers and of the administrator.
pub const SECRET: &str = "whispered";

/// How long anything may take that no retry or lease holds up.
pub const SOON: Duration = Duration::from_secs(15);

/// One runtime for all tests: the shared gateway's sandbox and connections outlive the test that made them.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().expect("a runtime"));

/// Runs a test.
pub fn run<T>(test: impl Future<Output = T>) -> T {
    RUNTIME.block_on(test)
}

/// Unix milliseconds, by this machine's clock.
#[expect(clippy::disallowed_methods, reason = "these tests run on real time")]
pub fn now_ms() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    i64::try_from(now.expect("after 1970").as_millis()).expect("before the end of time")
}

/// A number nobody else in this run has, of four digits.
pub fn unique() -> u32 {
    static NEXT: AtomicU32 = AtomicU32::new(1000);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// The number or chat id of somebody new.
pub fn person() -> String {
    format!("{PERSON_PREFIX}{}", unique())
}

/// Looks until there is something to see.
///
/// `look` answers what it was looking for, or else what it saw instead.
pub async fn eventually<T>(
    patience: Duration,
    what: &str,
    look: impl AsyncFnMut() -> Result<T, String>,
) -> T {
    poll(patience, Duration::from_millis(50), what, look).await
}

/// The same while the gateway's cron fires, which is what brings back what a crash or a long wait held up.
pub async fn eventually_swept<T>(
    gateway: &Gateway,
    patience: Duration,
    what: &str,
    mut look: impl AsyncFnMut() -> Result<T, String>,
) -> T {
    poll(patience, Duration::from_millis(700), what, async || {
        gateway.tick().await;
        look().await
    })
    .await
}

async fn poll<T>(
    patience: Duration,
    pause: Duration,
    what: &str,
    mut look: impl AsyncFnMut() -> Result<T, String>,
) -> T {
    let deadline = Instant::now() + patience;
    loop {
        match look().await {
            Ok(found) => return found,
            Err(seen) if Instant::now() > deadline => {
                panic!("not within {} s: {what}; seen: {seen}", patience.as_secs())
            }
            Err(_) => sleep(pause).await,
        }
    }
}
