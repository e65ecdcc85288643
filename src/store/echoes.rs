//! What the business wrote elsewhere: messages that this deployment did not send, beside its
//! own.

use super::events;
use super::inbound::{Received, Receiver, subjects};
use super::{Statement, text, values};
use crate::model::time::{MINUTE_MS, Timestamp};

/// How long a send may have no answer before an echo is no longer taken for its own.
const OWN_MS: i64 = 10 * MINUTE_MS;

/// Stores echoes as messages that are sent, and tells subscribers. The echo of one of our own
/// is none: it has that one's id, or comes while that one still waits for its answer.
pub fn echoes(receiver: Receiver, echoed: &[Received], now: Timestamp) -> Vec<Statement> {
    let (workspace, channel) = (receiver.workspace_id, receiver.channel_id);
    let is_current = receiver.is_current();
    let json = text(echoed);
    let subjects = subjects(workspace, echoed);
    vec![
        Statement::new(
            format!(
                "INSERT INTO message (workspace_id, id, conversation_id, channel_id, contact_id, direction, status,
                   content, metadata, reply_to, provider_message_id, seq, created_at, sent_at)
                 SELECT ?1, p.value ->> '$.id', c.id, ?2, c.contact_id, 'outbound', 'sent', p.value ->> '$.content',
                   p.value ->> '$.metadata',
                   (SELECT r.id FROM message r WHERE r.channel_id = +?2
                      AND r.provider_message_id = p.value ->> '$.replyTo'),
                   p.value ->> '$.providerMessageId',
                   c.last_seq + ROW_NUMBER() OVER (PARTITION BY c.id ORDER BY p.value ->> '$.at', p.key),
                   p.value ->> '$.at', p.value ->> '$.at'
                 FROM json_each(?3) p
                 CROSS JOIN conversation c ON c.channel_id = +?2 AND c.address = p.value ->> '$.address'
                 WHERE {is_current} AND NOT EXISTS (
                   SELECT 1 FROM message w WHERE w.conversation_id = c.id AND w.seq > c.last_seq - 50
                     AND w.direction = 'outbound' AND w.provider_message_id IS NULL
                     AND (w.status = 'sending' OR (w.status = 'unknown' AND w.unknown_at > ?4 - {OWN_MS}
                       AND w.content ->> '$.text' IS p.value ->> '$.content' ->> '$.text')))
                 ON CONFLICT DO NOTHING"
            ),
            values![workspace, channel, json.clone(), now],
        ),
        Statement::new(
            "UPDATE conversation SET
               last_seq = n.seq,
               last_outbound_at = MAX(COALESCE(last_outbound_at, 0), n.at),
               last_activity_at = MAX(last_activity_at, ?3)
             FROM (
               SELECT m.workspace_id, m.conversation_id, MAX(m.seq) AS seq, MAX(m.created_at) AS at
               FROM json_each(?2) p
               CROSS JOIN message m ON m.workspace_id = +?1 AND m.id = p.value ->> '$[1]'
               GROUP BY m.workspace_id, m.conversation_id
             ) n
             WHERE conversation.workspace_id = n.workspace_id AND conversation.id = n.conversation_id",
            values![workspace, subjects.as_str(), now],
        ),
        events::of_messages(
            "SELECT m.workspace_id, m.id AS message_id, 'message.sent' AS type, p.value ->> '$[2]' AS event_id
             FROM json_each(?2) p CROSS JOIN message m ON m.workspace_id = +?1 AND m.id = p.value ->> '$[1]'",
            3,
            values![workspace, subjects.as_str(), now],
        ),
        // Reports that came before: the sweep applies them.
        Statement::new(
            "UPDATE parked_report SET known_at = ?2
             WHERE (channel_id, provider_message_id) IN (
               SELECT ?1, p.value ->> '$.providerMessageId' FROM json_each(?3) p)",
            values![channel, now, json],
        ),
        events::fan_out(subjects, now),
    ]
}
