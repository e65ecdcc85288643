//! What is to be sent later, and what is settled by hand. A scheduled message has no turn: it
//! takes its place in the conversation when it falls due, and all that may have changed by then
//! is looked at again.

use super::{Statement, events, values};
use crate::model::channel::ChannelKind;
use crate::model::conversation::ServiceWindow;
use crate::model::id::{ConversationId, EventId, MessageId, WorkspaceId};
use crate::model::message::Actor;
use crate::model::time::{HOUR_MS, MINUTE_MS, Timestamp};
use serde_json::Value as Json;

/// What falls due within this gets its hint at once; the rest gets it from the sweep.
pub const NEAR_MS: i64 = 12 * HOUR_MS;
/// How long before its time the sweep gives a message its hint.
const AHEAD_MS: i64 = 10 * MINUTE_MS;
/// Most messages that fall due in one batch.
const MOST_DUE: i64 = 500;

/// When the hint of a message that is scheduled at `at` comes: after that it is lost.
pub(super) fn hinted_at(at: &str, now: &str) -> String {
    format!("CASE WHEN {at} <= {now} + {NEAR_MS} THEN {at} ELSE {now} END")
}

/// Why a message `m` of a conversation `c` on a channel `h` may not be sent now, as our code;
/// NULL where it may. A channel that waits for credentials is waited for. What is always
/// allowed is as `Content::is_always_allowed` has it.
fn problem(now: &str) -> String {
    use ChannelKind::{Instagram, Messenger, Sms, Telegram, Webchat, Whatsapp};
    let mut windows = String::new();
    for kind in [Whatsapp, Instagram, Messenger, Telegram, Sms, Webchat] {
        for (actor, name) in [(Actor::Bot, "bot"), (Actor::Human, "human")] {
            let window = ServiceWindow::of(kind, true).for_actor(kind, actor);
            if let Some(length) = window.length_ms() {
                let kind = kind.name();
                windows.push_str(&format!(" WHEN '{kind} {name}' THEN {length}"));
            }
        }
    }
    let of_template =
        "FROM template t WHERE t.workspace_id = m.workspace_id AND t.id = m.content ->> '$.id'
        AND t.channel_id = m.channel_id AND t.status = 'APPROVED'";
    format!(
        "CASE
           WHEN m.expires_at <= {now} THEN 'expired'
           WHEN h.deleted_at IS NOT NULL OR h.status = 'disabled' THEN 'channel_unavailable'
           WHEN c.opted_out_at IS NOT NULL THEN 'opted_out'
           WHEN m.content ->> '$.type' = 'template' THEN CASE
             WHEN NOT EXISTS (SELECT 1 {of_template}) THEN 'template_not_approved'
             WHEN m.template_places <> (SELECT json_array_length(t.variables) {of_template})
               THEN 'template_parameter_mismatch' END
           WHEN m.content ->> '$.type' <> 'markSeen'
             AND COALESCE(json_extract(h.settings, '$.enforceWindow'), 1)
             AND COALESCE(c.last_inbound_at, 0) <= {now} - CASE h.type || ' ' || m.actor{windows} END
             THEN 'window_closed'
         END"
    )
}

/// Conversations as a statement reads them, from its parameter `?1`.
fn conversations(of: &[(WorkspaceId, ConversationId)]) -> Json {
    let pairs = of.iter();
    pairs
        .map(|(workspace, id)| serde_json::json!([workspace, id]))
        .collect()
}

/// What was placed under a token `?2`, before its conversation is told how far it goes now.
const PLACED: &str = "
    FROM json_each(?1) s
    CROSS JOIN conversation c ON c.workspace_id = s.value ->> '$[0]' AND c.id = s.value ->> '$[1]'
    CROSS JOIN message m ON m.conversation_id = c.id AND m.seq > c.last_seq
    WHERE m.workspace_id = c.workspace_id AND m.claim = +?2";

/// Gives what is due in some conversations its place, in the order of the times it was
/// scheduled for: behind all that was accepted before. What may not be sent any more fails.
///
/// The first statement gives back the `problem` of each; the last but one deliveries. An
/// erased conversation is left to the erasure.
pub fn activate(
    of: &[(WorkspaceId, ConversationId)],
    event: EventId,
    token: &str,
    now: Timestamp,
) -> Vec<Statement> {
    let json = conversations(of);
    let values = || values![json.clone(), token, now];
    let told = format!(
        "SELECT m.workspace_id, m.id AS message_id, m.id AS subject,
           CASE m.status WHEN 'sent' THEN 'message.sent' ELSE 'message.failed' END AS type, {id} AS event_id
         {PLACED} AND m.status IN ('sent', 'failed', 'expired')",
        id = events::id_for("?4", "m.id")
    );
    let told_values = || values![json.clone(), token, now, event];
    vec![
        Statement::new(
            format!(
                "UPDATE message SET seq = o.place, claim = ?2, pushed_at = ?3,
                   status = CASE WHEN o.problem = 'expired' THEN 'expired' WHEN o.problem IS NOT NULL THEN 'failed'
                     WHEN o.is_local THEN 'sent' ELSE 'accepted' END,
                   turn = CASE WHEN o.problem IS NULL AND NOT o.is_local THEN o.place END,
                   due_at = CASE WHEN o.problem IS NULL AND NOT o.is_local THEN ?3 END,
                   accepted_at = CASE WHEN o.problem IS NULL THEN ?3 END,
                   sent_at = CASE WHEN o.problem IS NULL AND o.is_local THEN ?3 END,
                   failed_at = CASE WHEN o.problem <> 'expired' THEN ?3 END,
                   expired_at = CASE WHEN o.problem = 'expired' THEN ?3 END,
                   error_code = o.problem,
                   error_message = CASE WHEN o.problem IS NOT NULL THEN 'It could not be sent when it fell due.' END
                 FROM (
                   SELECT m.workspace_id, m.id, {problem} AS problem, h.type = 'webchat' AS is_local,
                     c.last_seq + ROW_NUMBER() OVER (PARTITION BY c.id ORDER BY m.scheduled_at, m.seq) AS place
                   FROM json_each(?1) s
                   CROSS JOIN message m INDEXED BY message_scheduled
                     ON m.conversation_id = s.value ->> '$[1]' AND m.scheduled_at <= ?3
                   CROSS JOIN conversation c ON c.workspace_id = m.workspace_id AND c.id = m.conversation_id
                   CROSS JOIN channel h ON h.id = m.channel_id
                   WHERE m.workspace_id = s.value ->> '$[0]' AND m.status = 'scheduled'
                     AND c.address <> 'erased:' || c.id
                   ORDER BY m.scheduled_at, m.seq LIMIT {MOST_DUE}
                 ) o
                 WHERE message.workspace_id = o.workspace_id AND message.id = o.id AND message.status = 'scheduled'
                 RETURNING error_code AS problem",
                problem = problem("?3")
            ),
            values(),
        ),
        Statement::new(
            format!(
                "UPDATE conversation SET last_outbound_at = MAX(COALESCE(last_outbound_at, 0), ?3),
                   last_activity_at = MAX(last_activity_at, ?3)
                 WHERE (workspace_id, id) IN (
                   SELECT m.workspace_id, m.conversation_id {PLACED} AND m.status IN ('sent', 'accepted'))"
            ),
            values(),
        ),
        events::of_messages(&told, 3, told_values()),
        events::fan_out_of(&told, 3, told_values()),
        Statement::new(
            format!(
                "UPDATE conversation SET last_seq = n.seq, choices_seq = COALESCE(n.choices_seq, conversation.choices_seq)
                 FROM (
                   SELECT m.workspace_id, m.conversation_id, MAX(m.seq) AS seq,
                     MAX(CASE WHEN m.choices IS NOT NULL THEN m.seq END) AS choices_seq
                   {PLACED} GROUP BY m.workspace_id, m.conversation_id
                 ) n
                 WHERE conversation.workspace_id = n.workspace_id AND conversation.id = n.conversation_id"
            ),
            values![json, token],
        ),
    ]
}

/// Stamps what falls due soon, or is due, and has no hint on its way; gives back whose it is and
/// when.
pub fn push_due(now: Timestamp, stale_before: Timestamp, limit: i64) -> Statement {
    Statement::new(
        format!(
            "UPDATE message SET pushed_at = MAX(scheduled_at, ?1) WHERE (workspace_id, id) IN (
               SELECT o.workspace_id, o.id FROM (
                 SELECT workspace_id, id, pushed_at FROM message INDEXED BY message_scheduled_at
                 WHERE status = 'scheduled' AND scheduled_at <= ?1 + {AHEAD_MS}
                 ORDER BY scheduled_at LIMIT 2000
               ) o
               WHERE o.pushed_at <= ?2 LIMIT +?3)
             RETURNING workspace_id AS workspace, conversation_id AS schedule, scheduled_at AS at"
        ),
        values![now, stale_before, limit],
    )
}

/// The message `?2` and the others that its content became, while it is scheduled.
const GROUP: &str = "
    SELECT m.workspace_id, p.value FROM message m
    CROSS JOIN json_each(COALESCE(json_extract(m.adapted, '$.parts'), json_array(m.id))) p
    WHERE m.workspace_id = +?1 AND m.id = +?2 AND m.status = 'scheduled'";

/// Cancels a message while it is scheduled.
pub fn cancel(workspace: WorkspaceId, id: MessageId, now: Timestamp) -> Statement {
    Statement::new(
        format!(
            "UPDATE message SET status = 'canceled', canceled_at = ?3
             WHERE status = 'scheduled' AND (workspace_id, id) IN ({GROUP})"
        ),
        values![workspace, id, now],
    )
}

/// Moves a message to another time while it is scheduled.
pub fn move_to(workspace: WorkspaceId, id: MessageId, at: Timestamp, now: Timestamp) -> Statement {
    Statement::new(
        format!(
            "UPDATE message SET scheduled_at = ?3, first_scheduled_at = COALESCE(first_scheduled_at, scheduled_at),
               pushed_at = CASE WHEN pushed_at IS NOT NULL THEN {hinted} END
             WHERE status = 'scheduled' AND scheduled_at <> ?3 AND COALESCE(expires_at > ?3, 1)
               AND (workspace_id, id) IN ({GROUP})",
            hinted = hinted_at("?3", "?4")
        ),
        values![workspace, id, at, now],
    )
}

/// What is said by a message and by those that were made with it.
pub fn contents(workspace: WorkspaceId, id: MessageId) -> Statement {
    Statement::new(
        format!("SELECT content FROM message WHERE (workspace_id, id) IN ({GROUP})"),
        values![workspace, id],
    )
}

/// Settles a message while its outcome is unknown, as `sent` or `failed`. The last statement
/// gives back deliveries.
pub fn settle(
    workspace: WorkspaceId,
    id: MessageId,
    is_sent: bool,
    event: EventId,
    token: &str,
    now: Timestamp,
) -> Vec<Statement> {
    let (status, changes) = if is_sent {
        (
            "sent",
            "sent_at = COALESCE(sent_at, ?3), error_code = NULL, error_message = NULL, error_provider_code = NULL",
        )
    } else {
        (
            "failed",
            "failed_at = COALESCE(failed_at, ?3), error_code = 'resolved_failed', error_provider_code = NULL,
             error_message = 'Its outcome was unknown; it was settled as failed by hand.'",
        )
    };
    vec![
        Statement::new(
            format!(
                "UPDATE message SET status = '{status}', claim = ?4, {changes}
                 WHERE workspace_id = +?1 AND id = +?2 AND status = 'unknown'"
            ),
            values![workspace, id, now, token],
        ),
        events::of_messages(
            &format!(
                "SELECT workspace_id, id AS message_id, 'message.{status}' AS type, ?5 AS event_id FROM message
                 WHERE workspace_id = +?1 AND id = +?2 AND claim = +?4 AND status = '{status}'"
            ),
            3,
            values![workspace, id, now, token, event],
        ),
        events::fan_out(serde_json::json!([[workspace, id, event]]), now),
    ]
}

/// Has a message whose outcome is unknown sent again, behind all that was accepted since.
pub fn resend(
    workspace: WorkspaceId,
    id: MessageId,
    token: &str,
    now: Timestamp,
) -> Vec<Statement> {
    vec![
        Statement::new(
            format!(
                "UPDATE message SET status = 'accepted', seq = o.place, turn = o.place, due_at = ?3, pushed_at = ?3,
                   resent_at = ?3, claim = ?4, error_code = NULL, error_message = NULL, error_provider_code = NULL
                 FROM (
                   SELECT m.workspace_id, m.id, c.last_seq + 1 AS place, {problem} AS problem {FOR_ONE} LIMIT 1000000
                 ) o
                 WHERE message.workspace_id = o.workspace_id AND message.id = o.id AND message.status = 'unknown'
                   AND o.problem IS NULL",
                problem = problem("?3")
            ),
            values![workspace, id, now, token],
        ),
        Statement::new(
            "UPDATE conversation SET last_seq = n.seq
             FROM (SELECT workspace_id, conversation_id, seq FROM message
                   WHERE workspace_id = +?1 AND id = +?2 AND claim = +?3 LIMIT 1000000) n
             WHERE conversation.workspace_id = n.workspace_id AND conversation.id = n.conversation_id
               AND conversation.last_seq < n.seq",
            values![workspace, id, token],
        ),
    ]
}

const FOR_ONE: &str = "FROM message m
    CROSS JOIN conversation c ON c.workspace_id = m.workspace_id AND c.id = m.conversation_id
    CROSS JOIN channel h ON h.id = m.channel_id
    WHERE m.workspace_id = +?1 AND m.id = +?2";

/// A message that was to be settled: its `record`, whether it was settled under this token
/// (`is_mine`), and the `problem` it would be refused for, with what that is about.
pub fn settled(workspace: WorkspaceId, id: MessageId, token: &str, now: Timestamp) -> Statement {
    Statement::new(
        format!(
            "SELECT (SELECT r.record FROM message_record r WHERE r.workspace_id = +?1 AND r.id = +?2) AS record,
               m.claim IS +?4 AS is_mine, {problem} AS problem, m.actor, c.last_inbound_at, c.opted_out_at {FOR_ONE}",
            problem = problem("?3")
        ),
        values![workspace, id, now, token],
    )
}
