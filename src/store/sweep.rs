//! What the cron run clears away, a few rows at a time. Deletes are billed writes.

use super::{Statement, values};
use crate::model::time::{DAY_MS, Timestamp};

/// Idempotency rows older than a day; the oldest come first by rowid.
pub fn purge_idempotency(now: Timestamp, limit: i64) -> Statement {
    Statement::new(
        "DELETE FROM idempotency WHERE rowid IN (
           SELECT rowid FROM (SELECT rowid, created_at FROM idempotency ORDER BY rowid LIMIT ?2)
           WHERE created_at <= ?1)",
        values![now.plus_ms(-DAY_MS), limit],
    )
}

/// Parked reports whose message never came, after a week.
pub fn purge_parked(now: Timestamp, limit: i64) -> Statement {
    Statement::new(
        "DELETE FROM parked_report WHERE rowid IN (
           SELECT rowid FROM (SELECT rowid, parked_at FROM parked_report ORDER BY rowid LIMIT ?2)
           WHERE parked_at <= ?1)",
        values![now.plus_ms(-7 * DAY_MS), limit],
    )
}

/// Parked reports whose message is known by now: a crash came between.
pub fn parked_but_known(limit: i64) -> Statement {
    Statement::new(
        "SELECT m.workspace_id, p.channel_id, p.provider_message_id, p.status, p.at, p.error_code,
           p.error_message, p.error_provider_code
         FROM (SELECT * FROM parked_report ORDER BY rowid DESC LIMIT ?1) p
         JOIN message m ON m.channel_id = p.channel_id AND m.provider_message_id = p.provider_message_id",
        values![limit],
    )
}

/// Some workspaces, for the purge to look at; over time, all.
pub fn workspaces(limit: i64) -> Statement {
    Statement::new(
        "SELECT id FROM workspace ORDER BY random() LIMIT ?1",
        values![limit],
    )
}
