//! Events on their way to subscribers: claimed, recorded, fanned out, found again.

use super::{Statement, Value, endpoints, events, values};
use crate::model::id::{EventId, WorkspaceId};
use crate::model::time::{DAY_MS, Timestamp};
use serde_json::Value as Json;

/// After so long without a success an endpoint is disabled.
const LONGEST_FAILING_MS: i64 = 5 * DAY_MS;
/// Endpoints that one portion of a fan-out adds; its own hint makes it a hundred.
const PORTION: i64 = 99;

/// How much may be claimed.
pub struct Room<'a> {
    pub most: usize,
    pub most_of_one: usize,
    /// The endpoint of each delivery that is under way in this run.
    pub under_way: &'a Json,
}

/// Whether endpoint `w` is not to be called now.
const IS_HELD: &str = "w.status IN ('paused', 'disabled')";

/// Sets aside those hinted at whose endpoint is paused or disabled.
pub fn hold(hints: &Json, now: Timestamp) -> Statement {
    Statement::new(
        format!(
            "UPDATE delivery SET status = 'waiting', due_at = NULL
             WHERE (endpoint_id, event_id) IN (
               SELECT d.endpoint_id, d.event_id FROM json_each(?1) s
               CROSS JOIN delivery d ON d.endpoint_id = json_extract(s.value, '$[0]')
                 AND d.event_id = json_extract(s.value, '$[1]')
               CROSS JOIN endpoint w ON w.workspace_id = d.workspace_id AND w.id = d.endpoint_id
               WHERE d.due_at <= ?2 AND (d.lease_until IS NULL OR d.lease_until <= ?2) AND {IS_HELD})"
        ),
        values![hints.clone(), now],
    )
}

/// Takes some of the deliveries hinted at: JSON array of `[endpoint, event]`. Every endpoint
/// gets its turn; one that last failed has one delivery in flight, wherever that is. Run
/// again under the same token, no more than what is missing.
pub fn claim(
    hints: &Json,
    room: &Room<'_>,
    token: &str,
    now: Timestamp,
    lease_ms: i64,
) -> Statement {
    let most = |most: usize| Value::from(i64::try_from(most).unwrap_or(0));
    let mut values = values![hints.clone(), token, now, lease_ms];
    values.extend([most(room.most), most(room.most_of_one)]);
    values.push(room.under_way.clone().into());
    Statement::new(
        format!(
            "UPDATE delivery SET attempt = attempt + 1, claim = ?2, lease_until = ?3 + ?4
             WHERE (endpoint_id, event_id) IN (
               SELECT endpoint_id, event_id FROM (
                 SELECT d.endpoint_id, d.event_id, w.failing_since,
                   ROW_NUMBER() OVER (PARTITION BY d.endpoint_id ORDER BY MIN(s.key)) AS place
                 FROM json_each(?1) s
                 CROSS JOIN delivery d ON d.endpoint_id = json_extract(s.value, '$[0]')
                   AND d.event_id = json_extract(s.value, '$[1]')
                 LEFT JOIN endpoint w ON w.workspace_id = d.workspace_id AND w.id = d.endpoint_id
                 WHERE d.due_at <= ?3 AND (d.lease_until IS NULL OR d.lease_until <= ?3)
                   AND NOT COALESCE({IS_HELD}, 0)
                 GROUP BY d.endpoint_id, d.event_id
               ) o
               WHERE o.place + (SELECT COUNT(*) FROM json_each(?7) WHERE value = o.endpoint_id) <= ?6
                 AND (o.failing_since IS NULL OR o.place = 1 AND NOT EXISTS (
                   SELECT 1 FROM delivery d INDEXED BY delivery_in_flight
                   WHERE d.endpoint_id = o.endpoint_id AND d.lease_until IS NOT NULL AND d.lease_until > ?3))
               ORDER BY o.place
               LIMIT MAX(0, ?5 - (
                 SELECT COUNT(*) FROM json_each(?1) s
                 CROSS JOIN delivery d ON d.endpoint_id = json_extract(s.value, '$[0]')
                   AND d.event_id = json_extract(s.value, '$[1]')
                 WHERE d.claim = +?2)))"
        ),
        values,
    )
}

/// What was claimed under a token, with the event and the endpoint as they are.
pub fn claimed(hints: &Json, token: &str, now: Timestamp) -> Statement {
    Statement::new(
        format!(
            "SELECT DISTINCT d.workspace_id, d.endpoint_id, d.event_id, d.type, d.attempt, d.first_attempt, d.claim,
           d.endpoint_id = d.workspace_id AS is_fan_out, e.data, e.created_at,
           w.failing_since IS NOT NULL AS is_failing, CASE w.status WHEN 'enabled' THEN {} END AS subscriber
         FROM json_each(?1) s
         CROSS JOIN delivery d ON d.endpoint_id = json_extract(s.value, '$[0]')
           AND d.event_id = json_extract(s.value, '$[1]')
         CROSS JOIN event e ON e.workspace_id = d.workspace_id AND e.subject = d.subject AND e.type = d.type
         LEFT JOIN endpoint w ON w.workspace_id = d.workspace_id AND w.id = d.endpoint_id
         WHERE d.claim = +?2 AND d.lease_until IS NOT NULL",
            endpoints::subscriber("?3")
        ),
        values![hints.clone(), token, now],
    )
}

/// Records attempts: JSON array of `{endpoint, event, attempt, status, dueAt,
/// responseStatus, detail}`; a result of an attempt that was overtaken is dropped.
pub fn record(results: &Json, now: Timestamp) -> Statement {
    Statement::new(
        "UPDATE delivery SET
           status = r.status, due_at = r.due_at, lease_until = NULL, attempted_at = ?2,
           pushed_at = ?2, response_status = r.response_status, response_detail = r.detail,
           ended_at = CASE WHEN r.due_at IS NULL AND r.status <> 'waiting' THEN ?2 END
         FROM (
           SELECT value ->> '$.endpoint' AS endpoint_id, value ->> '$.event' AS event_id,
             value ->> '$.attempt' AS attempt, value ->> '$.status' AS status,
             value ->> '$.dueAt' AS due_at, value ->> '$.responseStatus' AS response_status,
             value ->> '$.detail' AS detail
           FROM json_each(?1)
         ) r
         WHERE delivery.endpoint_id = r.endpoint_id AND delivery.event_id = r.event_id
           AND delivery.attempt = r.attempt AND delivery.due_at IS NOT NULL",
        values![results.clone(), now],
    )
}

/// Notes how endpoints answered: JSON array of `{workspace, id, failed, succeeded, gone}`, one
/// for each, where it failed or had failed before. One that is gone, or failed for days
/// without a success, is disabled and told of.
pub fn note_health(endpoints: &Json, event: EventId, now: Timestamp) -> [Statement; 3] {
    let dies = format!(
        "endpoint.status = 'enabled' AND (n.gone > 0
           OR (n.succeeded = 0 AND endpoint.failing_since <= ?2 - {LONGEST_FAILING_MS}))"
    );
    let [told, fanned] = events::webhooks_disabled(endpoints, event, now);
    let noted = Statement::new(
        format!(
            "UPDATE endpoint SET
               failing_since = CASE WHEN n.failed = 0 THEN NULL WHEN n.succeeded > 0 THEN ?2
                 ELSE COALESCE(endpoint.failing_since, ?2) END,
               failures = CASE WHEN n.succeeded > 0 THEN n.failed WHEN endpoint.counted_by IS +?3 THEN endpoint.failures
                 ELSE endpoint.failures + n.failed END,
               counted_by = ?3,
               status = CASE WHEN {dies} THEN 'disabled' ELSE endpoint.status END,
               disabled_at = CASE WHEN {dies} THEN ?2 ELSE endpoint.disabled_at END,
               disabled_reason = CASE WHEN NOT ({dies}) THEN endpoint.disabled_reason
                 WHEN n.gone > 0 THEN 'gone' ELSE 'failing' END
             FROM (
               SELECT value ->> '$.workspace' AS workspace_id, value ->> '$.id' AS id,
                 value ->> '$.failed' AS failed, value ->> '$.succeeded' AS succeeded,
                 value ->> '$.gone' AS gone
               FROM json_each(?1) LIMIT 1000000
             ) n
             WHERE endpoint.workspace_id = n.workspace_id AND endpoint.id = n.id
               AND endpoint.deleted_at IS NULL AND (n.failed > 0 OR endpoint.failing_since IS NOT NULL)"
        ),
        values![endpoints.clone(), now, event],
    );
    [noted, told, fanned]
}

/// Goes on with a fan-out that was claimed: deliveries to the next endpoints, oldest first, of
/// those there were when it happened. Gives which they are; the second statement moves the
/// row on, the third ends it.
pub fn fan_out_on(
    workspace: WorkspaceId,
    event: EventId,
    token: &str,
    now: Timestamp,
) -> [Statement; 3] {
    let wanted = events::is_wanted("e.workspace_id", "e.channel_id", events::Kind::In("e.type"));
    let status = events::STATUS;
    let next = format!(
        "SELECT w.id, w.status, e.subject, e.type FROM delivery d
         CROSS JOIN event e ON e.workspace_id = d.workspace_id AND e.subject = d.subject AND e.type = d.type
         CROSS JOIN endpoint w ON {wanted}
           AND w.id > COALESCE(d.fan_out_after, '') AND w.created_at <= e.created_at
         WHERE d.endpoint_id = +?1 AND d.event_id = +?2 AND d.claim = +?3 AND d.lease_until IS NOT NULL
         ORDER BY w.id LIMIT {PORTION}"
    );
    let values = || values![workspace, event, token, now];
    [
        Statement::new(
            format!(
                "INSERT INTO delivery (workspace_id, endpoint_id, event_id, subject, type, status, due_at, pushed_at, created_at)
                 SELECT ?1, id, ?2, subject, type, {status}, CASE status WHEN 'enabled' THEN ?4 END, ?4, ?4
                 FROM ({next}) WHERE true
                 ON CONFLICT DO NOTHING
                 RETURNING endpoint_id, event_id, due_at IS NULL AS is_waiting"
            ),
            values(),
        ),
        Statement::new(
            format!(
                "UPDATE delivery SET fan_out_after = (SELECT MAX(id) FROM ({next})),
                   due_at = +?4, pushed_at = +?4, lease_until = NULL
                 WHERE endpoint_id = +?1 AND event_id = +?2 AND claim = +?3 AND lease_until IS NOT NULL
                 RETURNING endpoint_id, event_id, fan_out_after IS NULL AS is_waiting"
            ),
            values(),
        ),
        Statement::new(
            "DELETE FROM delivery WHERE endpoint_id = +?1 AND event_id = +?2 AND claim = +?3
               AND lease_until IS NULL AND fan_out_after IS NULL",
            values![workspace, event, token],
        ),
    ]
}

/// Stamps deliveries that are due and not pushed of late; gives back which. Looks at the oldest
/// 2,000 that are due and at 1,000 from `from` on, and takes one of each endpoint that last
/// failed: it is tried with one at a time anyway, and holds up no other.
pub fn push_again(
    now: Timestamp,
    stale_before: Timestamp,
    from: Timestamp,
    limit: i64,
) -> Statement {
    Statement::new(
        "UPDATE delivery SET pushed_at = ?1 WHERE (endpoint_id, event_id) IN (
           SELECT endpoint_id, event_id FROM (
             SELECT o.endpoint_id, o.event_id, o.due_at, w.failing_since,
               ROW_NUMBER() OVER (PARTITION BY o.endpoint_id ORDER BY o.due_at) AS place
             FROM (
               SELECT * FROM (SELECT * FROM delivery WHERE due_at <= ?1 ORDER BY due_at LIMIT 2000)
               UNION
               SELECT * FROM (SELECT * FROM delivery WHERE due_at BETWEEN ?4 AND ?1 ORDER BY due_at LIMIT 1000)
             ) o
             LEFT JOIN endpoint w ON w.workspace_id = o.workspace_id AND w.id = o.endpoint_id
             WHERE o.pushed_at <= ?2 AND (o.lease_until IS NULL OR o.lease_until <= ?1))
           WHERE failing_since IS NULL OR place = 1
           ORDER BY due_at LIMIT +?3)
         RETURNING endpoint_id, event_id",
        values![now, stale_before, limit, from],
    )
}
