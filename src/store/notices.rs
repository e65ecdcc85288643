//! What providers tell of accounts: it moves the state of their channels, and is told.

use super::events;
use super::inbound::Receiver;
use super::{Statement, values};
use crate::model::time::Timestamp;
use serde::Serialize;
use serde_json::json;

/// A notice as it was given.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Noticed {
    /// The account whose channels it concerns; of the channel it came to where there is none.
    pub account: Option<String>,
    /// Of those channels, the one that goes by this number.
    pub number: Option<String>,
    /// `tells`, `warns`, `blocks` or `restores`.
    pub effect: &'static str,
    pub code: String,
    pub at: i64,
    /// Whether the provider said when it was.
    pub is_timed: bool,
    /// What tells it from any other; a repeat has the same.
    pub key: String,
    /// As subscribers are told it, JSON.
    pub told: String,
    pub event: String,
}

/// Notices `n` of `?3`, each joined to the channels `h` that it concerns. One that names a
/// number also concerns channels that go by no number.
const CONCERNED: &str = "
    json_each(?3) n
    CROSS JOIN channel h ON h.id IN (
      SELECT ?2 WHERE n.value ->> '$.account' IS NULL
      UNION ALL
      SELECT o.id FROM channel o INDEXED BY channel_templates_account
      WHERE o.workspace_id = +?1 AND o.templates_account = n.value ->> '$.account'
        AND o.templates_account IS NOT NULL AND o.deleted_at IS NULL
        AND (n.value ->> '$.number' IS NULL OR o.match_key IN (n.value ->> '$.number', o.account)))
    AND h.workspace_id = +?1 AND h.deleted_at IS NULL";

/// Takes in notices and tells of each once. The first statement gives back the channels whose
/// state it wrote, as `id`, `is_restored`; the last the deliveries.
///
/// Of notices that block or restore the newest stands, in whatever order they come. What only
/// warns is kept as the last error of a channel that works. A channel that waits for another
/// reason, or is disabled, is left as it is.
pub fn notices(receiver: Receiver, notices: &[Noticed], now: Timestamp) -> [Statement; 3] {
    let is_current = receiver.is_current();
    let given = || values![receiver.workspace_id, receiver.channel_id, json!(notices)];
    let at_now = || [given(), values![now]].concat();
    let event_id = events::id_for("(n.value ->> '$.event')", "h.id");
    let told = format!(
        "SELECT h.workspace_id, h.id AS channel_id, h.id || ':' || (n.value ->> '$.key') AS subject,
           {event_id} AS event_id, n.value ->> '$.told' AS notice
         FROM {CONCERNED} WHERE {is_current}"
    );
    [
        Statement::new(
            format!(
                "UPDATE channel SET
                   status = CASE
                     WHEN told.effect = 'blocks' AND channel.status = 'connected' THEN 'needs_reauth'
                     WHEN told.effect = 'restores' AND channel.status = 'needs_reauth'
                       AND channel.blocked_at IS NOT NULL THEN 'connected'
                     ELSE channel.status END,
                   last_error_code = CASE WHEN told.is_ours THEN told.code ELSE channel.last_error_code END,
                   last_error_at = CASE WHEN told.is_ours THEN told.error_at ELSE channel.last_error_at END,
                   blocked_at = CASE told.effect
                     WHEN 'blocks' THEN CASE WHEN told.is_ours THEN told.at END
                     WHEN 'warns' THEN channel.blocked_at END,
                   notice_at = CASE told.effect WHEN 'warns' THEN channel.notice_at ELSE told.at END
                 FROM (
                   SELECT h.id, n.value ->> '$.effect' AS effect, n.value ->> '$.at' AS at,
                     CASE WHEN n.value ->> '$.effect' <> 'restores' THEN n.value ->> '$.code' END AS code,
                     CASE WHEN n.value ->> '$.effect' <> 'restores' THEN n.value ->> '$.at' END AS error_at,
                     h.status = 'connected' OR h.blocked_at IS NOT NULL AS is_ours,
                     MAX((n.value ->> '$.effect' <> 'warns') * 1000000 + n.key)
                   FROM {CONCERNED}
                   WHERE {is_current} AND CASE n.value ->> '$.effect'
                     WHEN 'tells' THEN 0
                     WHEN 'warns' THEN h.status = 'connected' AND CASE
                       WHEN n.value ->> '$.isTimed'
                       THEN n.value ->> '$.at' > MAX(COALESCE(h.last_error_at, 0), COALESCE(h.notice_at, 0))
                       ELSE h.last_error_code IS NOT n.value ->> '$.code' END
                     ELSE n.value ->> '$.at' > COALESCE(h.notice_at, 0) AND (n.value ->> '$.isTimed'
                       OR (n.value ->> '$.effect' = 'blocks') = (h.status = 'connected')) END
                   GROUP BY h.id LIMIT 1000000
                 ) told
                 WHERE channel.id = told.id
                 RETURNING id, status = 'connected' AND last_error_code IS NULL AS is_restored"
            ),
            given(),
        ),
        events::of_channels(&told, 4, at_now()),
        events::fan_out_of(&told, 4, at_now()),
    ]
}
