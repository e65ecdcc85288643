//! What became of deliveries, as their owner sees it, and how they are made due once more.

use super::{SCAN, Statement, values};
use crate::model::id::{EndpointId, EventId, WorkspaceId};
use crate::model::time::Timestamp;
use serde_json::Value;

/// The most that a numbered list counts.
const MOST_COUNTED: i64 = 10_000;

/// A delivery as JSON, of table `d`.
fn record(d: &str) -> String {
    format!(
        "json_object('id', {d}.event_id, 'endpoint_id', {d}.endpoint_id, 'type', {d}.type,
           'subject', {d}.subject, 'status', {d}.status, 'attempts', {d}.attempt, 'due_at', {d}.due_at,
           'response_status', {d}.response_status, 'response', {d}.response_detail,
           'created_at', {d}.created_at, 'attempted_at', {d}.attempted_at, 'ended_at', {d}.ended_at) AS record"
    )
}

/// A page of an endpoint's deliveries before an id, newest first, among the next `SCAN` rows.
pub fn list(
    workspace: WorkspaceId,
    endpoint: EndpointId,
    status: Option<&str>,
    before: &str,
    limit: i64,
) -> Statement {
    Statement::new(
        format!(
            "SELECT {} FROM (
               SELECT * FROM delivery WHERE endpoint_id = +?2 AND event_id < ?3 AND workspace_id = +?1
               ORDER BY event_id DESC LIMIT +?4
             ) page WHERE ?5 IS NULL OR page.status = +?5
             ORDER BY page.event_id DESC LIMIT +?6",
            record("page")
        ),
        values![workspace, endpoint, before, SCAN, status, limit],
    )
}

/// The last id that a filtered page looks at, if there are as many.
pub fn scan_end(workspace: WorkspaceId, endpoint: EndpointId, before: &str) -> Statement {
    Statement::new(
        "SELECT event_id AS id FROM delivery WHERE endpoint_id = +?2 AND event_id < ?3 AND workspace_id = +?1
         ORDER BY event_id DESC LIMIT 1 OFFSET +?4",
        values![workspace, endpoint, before, SCAN - 1],
    )
}

/// A numbered page of the newest that were attempted, `total`, and `page` as JSON; of those
/// that were or were not delivered, where that is asked.
pub fn counted(
    workspace: WorkspaceId,
    endpoint: EndpointId,
    is_delivered: Option<bool>,
    offset: i64,
    limit: i64,
) -> Statement {
    Statement::new(
        format!(
            "WITH l AS MATERIALIZED (
               SELECT * FROM (
                 SELECT * FROM delivery WHERE endpoint_id = +?2 AND workspace_id = +?1
                 ORDER BY event_id DESC LIMIT {MOST_COUNTED})
               WHERE attempt > 0 AND (?3 IS NULL OR (status = 'delivered') = +?3))
             SELECT (SELECT COUNT(*) FROM l) AS total, (SELECT json_group_array(json(record)) FROM (
               SELECT {} FROM l ORDER BY l.event_id DESC LIMIT +?5 OFFSET +?4)) AS page",
            record("l")
        ),
        values![workspace, endpoint, is_delivered, offset, limit],
    )
}

/// Some of an endpoint's deliveries: JSON array of ids.
pub fn get(workspace: WorkspaceId, endpoint: EndpointId, ids: &Value) -> Statement {
    Statement::new(
        format!(
            "SELECT DISTINCT {} FROM json_each(?3) s
             CROSS JOIN delivery d ON d.endpoint_id = +?2 AND d.event_id = s.value AND d.workspace_id = +?1",
            record("d")
        ),
        values![workspace, endpoint, ids.clone()],
    )
}

/// What makes a delivery due at `?4`, its schedule from the start.
const ANEW: &str =
    "status = 'pending', due_at = +?4, pushed_at = +?4, first_attempt = attempt, ended_at = NULL";

/// Makes deliveries due now, whatever became of them, but for those under way; gives which.
pub fn resend(
    workspace: WorkspaceId,
    endpoint: EndpointId,
    ids: &Value,
    now: Timestamp,
) -> Statement {
    Statement::new(
        format!(
            "UPDATE delivery SET {ANEW}
             WHERE (endpoint_id, event_id) IN (SELECT ?2, value FROM json_each(?3)) AND workspace_id = +?1
               AND (due_at IS NULL OR due_at > ?4)
             RETURNING endpoint_id, event_id"
        ),
        values![workspace, endpoint, ids.clone(), now],
    )
}

/// Begins to make due again what failed since an id; `portion` does it.
pub fn recover(workspace: WorkspaceId, endpoint: EndpointId, since: &str) -> Statement {
    Statement::new(
        "UPDATE endpoint SET recover_since = MIN(COALESCE(recover_since, ?3), ?3),
           recover_after = MIN(COALESCE(recover_after, ?3), ?3)
         WHERE workspace_id = +?1 AND id = +?2 AND deleted_at IS NULL
         RETURNING id",
        values![workspace, endpoint, since],
    )
}

/// The endpoints that have something to recover.
pub fn recovering(limit: i64) -> Statement {
    Statement::new(
        "SELECT workspace_id, id FROM endpoint INDEXED BY endpoint_recovering
         WHERE recover_after IS NOT NULL LIMIT +?1",
        values![limit],
    )
}

/// Makes the next deliveries due that wait, or are to be recovered; gives which, and then from
/// where on it looked.
pub fn portion(
    workspace: WorkspaceId,
    endpoint: EndpointId,
    now: Timestamp,
    limit: i64,
) -> [Statement; 2] {
    [
        Statement::new(
            format!(
                "UPDATE delivery SET {ANEW} WHERE (endpoint_id, event_id) IN (
                   SELECT d.endpoint_id, d.event_id FROM endpoint w
                   CROSS JOIN delivery d INDEXED BY delivery_held
                     ON d.endpoint_id = w.id AND d.event_id > w.recover_after
                   WHERE w.workspace_id = +?1 AND w.id = +?2 AND d.workspace_id = +?1
                     AND d.due_at IS NULL AND d.status <> 'delivered'
                     AND (d.status = 'waiting' OR (d.status = 'failed' AND d.event_id >= w.recover_since))
                   ORDER BY d.event_id LIMIT +?3)
                 RETURNING endpoint_id, event_id"
            ),
            values![workspace, endpoint, limit, now],
        ),
        Statement::new(
            "SELECT recover_after FROM endpoint WHERE workspace_id = +?1 AND id = +?2",
            values![workspace, endpoint],
        ),
    ]
}

/// Goes on behind the last of a portion, or ends where there is none, unless more is to be
/// recovered since.
pub fn recovered(
    workspace: WorkspaceId,
    endpoint: EndpointId,
    from: &str,
    last: Option<EventId>,
) -> Statement {
    Statement::new(
        "UPDATE endpoint SET recover_after = ?4, recover_since = CASE WHEN ?4 IS NOT NULL THEN recover_since END
         WHERE workspace_id = +?1 AND id = +?2 AND recover_after = +?3",
        values![workspace, endpoint, from, last],
    )
}
