//! What the cron run clears away, a few rows at a time. Deletes are billed writes.

use super::{Statement, keys, search, values};
use crate::model::id::WorkspaceId;
use crate::model::time::{DAY_MS, Timestamp};

/// Idempotency rows of days whose every key has ended.
pub fn purge_idempotency(now: Timestamp, limit: i64) -> Statement {
    Statement::new(
        format!(
            "DELETE FROM idempotency WHERE (day, workspace_id, scope) IN (
               SELECT day, workspace_id, scope FROM idempotency
               WHERE day < CAST(?1 / {DAY_MS} AS INTEGER) - 1 LIMIT +?2)"
        ),
        values![now, limit],
    )
}

/// Parked reports from before a moment, whose message never came.
pub fn purge_parked(before: Timestamp, limit: i64) -> Statement {
    Statement::new(
        "DELETE FROM parked_report WHERE rowid IN (
           SELECT rowid FROM (SELECT rowid, parked_at FROM parked_report ORDER BY rowid LIMIT +?2)
           WHERE parked_at <= ?1)",
        values![before, limit],
    )
}

/// Parked reports whose message is known: a crash came before they were applied.
pub fn parked_but_known(limit: i64) -> Statement {
    Statement::new(
        "SELECT workspace_id, channel_id, provider_message_id, status, at, error_code, error_message,
           error_provider_code, pricing
         FROM parked_report WHERE known_at IS NOT NULL ORDER BY known_at LIMIT +?1",
        values![limit],
    )
}

/// The workspaces from an id on, around to the first.
pub fn workspaces(start: &str, limit: i64) -> Statement {
    Statement::new(
        "SELECT id FROM (SELECT id FROM workspace WHERE id >= ?1 ORDER BY id LIMIT +?2)
         UNION SELECT id FROM (SELECT id FROM workspace ORDER BY id LIMIT +?2)
         LIMIT 2 * ?2",
        values![start, limit],
    )
}

/// A deleted workspace that still has rows.
pub fn deleted_workspace() -> Statement {
    Statement::new(
        "SELECT id FROM workspace WHERE deleted_at IS NOT NULL ORDER BY deleted_at LIMIT 1",
        vec![],
    )
}

/// Clears a deleted workspace, some rows of each table; in the end its own.
/// (Older idempotency rows than of two days go with everybody's.)
pub fn purge_workspace(workspace: WorkspaceId, now: Timestamp, limit: i64) -> Vec<Statement> {
    let living_days = keys::living_days("?3");
    let keyed = |table: &str, key: &str, condition: &str| {
        Statement::new(
            format!(
                "DELETE FROM {table} WHERE ({key}) IN (
                   SELECT {key} FROM {table} t WHERE workspace_id = +?1 {condition} LIMIT +?2)"
            ),
            values![workspace, limit],
        )
    };
    vec![
        keyed("attempt", "workspace_id, message_id, number", ""),
        keyed("message", "workspace_id, id", ""),
        // The bucket is emptied first.
        keyed("media", "workspace_id, id", "AND t.stored_at IS NULL"),
        keyed("upload", "channel_id, source", ""),
        keyed(
            "conversation",
            "workspace_id, id",
            "AND NOT EXISTS (SELECT 1 FROM message m WHERE m.conversation_id = t.id)",
        ),
        keyed("identity", "workspace_id, kind, value", ""),
        keyed(
            "contact",
            "workspace_id, id",
            "AND NOT EXISTS (SELECT 1 FROM conversation c WHERE c.workspace_id = t.workspace_id AND c.contact_id = t.id)
             AND NOT EXISTS (SELECT 1 FROM identity i WHERE i.workspace_id = t.workspace_id AND i.contact_id = t.id)",
        ),
        keyed("contact_merge", "workspace_id, contact_id", ""),
        keyed("erasure", "workspace_id, contact_id, subject", ""),
        search::purge(workspace, limit),
        Statement::new(
            format!(
                "DELETE FROM idempotency WHERE (day, workspace_id, scope) IN (
                   SELECT day, workspace_id, scope FROM idempotency d
                   WHERE {living_days} AND workspace_id = +?1 LIMIT +?2)"
            ),
            values![workspace, limit, now],
        ),
        keyed("parked_report", "rowid", ""),
        keyed("change", "channel_id, provider_message_id, key", ""),
        keyed("event", "workspace_id, subject, type", ""),
        Statement::new(
            "DELETE FROM delivery WHERE (endpoint_id, event_id) IN (
               SELECT d.endpoint_id, d.event_id FROM endpoint w CROSS JOIN delivery d ON d.endpoint_id = w.id
               WHERE w.workspace_id = +?1 LIMIT +?2)",
            values![workspace, limit],
        ),
        Statement::new(
            "DELETE FROM delivery WHERE endpoint_id = +?1",
            values![workspace],
        ),
        keyed(
            "endpoint",
            "workspace_id, id",
            "AND NOT EXISTS (SELECT 1 FROM delivery d WHERE d.endpoint_id = t.id)",
        ),
        keyed("api_key", "id", ""),
        keyed("template", "workspace_id, id", ""),
        keyed("visitor_token", "hash", ""),
        keyed("visitor", "channel_id, id", ""),
        keyed(
            "channel",
            "id",
            "AND NOT EXISTS (SELECT 1 FROM conversation c WHERE c.channel_id = t.id)
             AND NOT EXISTS (SELECT 1 FROM template x WHERE x.channel_id = t.id)
             AND NOT EXISTS (SELECT 1 FROM visitor v WHERE v.channel_id = t.id)",
        ),
        Statement::new(
            format!(
                "DELETE FROM workspace WHERE id = +?1
               AND NOT EXISTS (SELECT 1 FROM parked_report WHERE workspace_id = +?1)
               AND NOT EXISTS (SELECT 1 FROM change WHERE workspace_id = +?1)
               AND NOT EXISTS (SELECT 1 FROM attempt WHERE workspace_id = +?1)
               AND NOT EXISTS (SELECT 1 FROM message WHERE workspace_id = +?1)
               AND NOT EXISTS (SELECT 1 FROM media WHERE workspace_id = +?1)
               AND NOT EXISTS (SELECT 1 FROM upload WHERE workspace_id = +?1)
               AND NOT EXISTS (SELECT 1 FROM template WHERE workspace_id = +?1)
               AND NOT EXISTS (SELECT 1 FROM visitor WHERE workspace_id = +?1)
               AND NOT EXISTS (SELECT 1 FROM visitor_token WHERE workspace_id = +?1)
               AND NOT EXISTS (SELECT 1 FROM conversation WHERE workspace_id = +?1)
               AND NOT EXISTS (SELECT 1 FROM identity WHERE workspace_id = +?1)
               AND NOT EXISTS (SELECT 1 FROM contact WHERE workspace_id = +?1)
               AND NOT EXISTS (SELECT 1 FROM contact_merge WHERE workspace_id = +?1)
               AND NOT EXISTS (SELECT 1 FROM erasure WHERE workspace_id = +?1)
               AND NOT EXISTS (SELECT 1 FROM channel WHERE workspace_id = +?1)
               AND NOT EXISTS (SELECT 1 FROM api_key WHERE workspace_id = +?1)
               AND NOT EXISTS (SELECT 1 FROM endpoint WHERE workspace_id = +?1)
               AND NOT EXISTS (SELECT 1 FROM event WHERE workspace_id = +?1)
               AND NOT EXISTS (SELECT 1 FROM contact_search WHERE contact_search MATCH ?2)
               AND NOT EXISTS (SELECT 1 FROM idempotency d WHERE {living_days} AND workspace_id = +?1)"
            ),
            values![workspace, search::all(workspace), now],
        ),
    ]
}
