//! Forgetting a person. What they are known by goes at once; what grows with how much was
//! written goes in portions, the first of them at once and the rest by the sweep. Of their
//! messages direction, status and times stay.

use super::{Statement, search, values};
use crate::model::id::{ContactId, WorkspaceId};
use crate::model::time::Timestamp;

/// What is left of a message.
pub(super) const ERASED: &str = r#"{"type":"unsupported","providerType":"erased"}"#;

/// Messages of each conversation in a portion.
const PORTION: i64 = 300;

/// Erases a contact and the first portion of what was written. The last statement gives a
/// row if it was there. Whatever is written to the conversations is refused from now on.
pub fn erase(workspace: WorkspaceId, contact: ContactId, now: Timestamp) -> Vec<Statement> {
    let of = |sql: &'static str| Statement::new(sql, values![workspace, contact]);
    let at_now = |sql: &'static str| Statement::new(sql, values![workspace, contact, now]);
    let mut statements = vec![
        at_now(
            "INSERT INTO erasure (workspace_id, contact_id, subject, seq, looked_at)
             SELECT p.workspace_id, p.id, c.id, c.last_seq, ?3 FROM contact p
             CROSS JOIN conversation c INDEXED BY conversation_contact
               ON c.workspace_id = p.workspace_id AND c.contact_id = p.id
             WHERE p.workspace_id = +?1 AND p.id = +?2
             ON CONFLICT DO NOTHING",
        ),
        at_now(
            "INSERT INTO erasure (workspace_id, contact_id, subject, seq, looked_at)
             SELECT p.workspace_id, p.id, p.id, 0, ?3 FROM contact p WHERE p.workspace_id = +?1 AND p.id = +?2
             UNION ALL
             SELECT g.workspace_id, g.into_id, g.contact_id, 0, ?3
             FROM contact_merge g INDEXED BY contact_merge_into
             WHERE g.workspace_id = +?1 AND g.into_id = +?2
             ON CONFLICT DO NOTHING",
        ),
        of("DELETE FROM visitor_token WHERE hash IN (
               SELECT t.hash FROM conversation c INDEXED BY conversation_contact
               CROSS JOIN visitor_token t ON t.workspace_id = c.workspace_id AND t.channel_id = c.channel_id
                 AND t.visitor_id = c.address
               WHERE c.workspace_id = +?1 AND c.contact_id = +?2)"),
        of("DELETE FROM visitor WHERE (channel_id, id) IN (
               SELECT c.channel_id, c.address FROM conversation c INDEXED BY conversation_contact
               WHERE c.workspace_id = +?1 AND c.contact_id = +?2)"),
        at_now(
            "UPDATE conversation INDEXED BY conversation_contact SET address = 'erased:' || id, status = 'closed', assignee = NULL,
               unread_count = 0, choices_seq = NULL, opted_out_at = COALESCE(opted_out_at, ?3)
             WHERE workspace_id = +?1 AND contact_id = +?2",
        ),
        of("DELETE FROM identity WHERE workspace_id = +?1 AND contact_id = +?2"),
        of("DELETE FROM contact_merge WHERE workspace_id = +?1 AND contact_id = +?2"),
        of("DELETE FROM contact_merge INDEXED BY contact_merge_into WHERE workspace_id = +?1 AND into_id = +?2"),
        of("DELETE FROM contact WHERE workspace_id = +?1 AND id = +?2"),
        search::forget(workspace, contact),
    ];
    statements.extend(portion(workspace, contact, now));
    statements.push(of(
        "SELECT subject FROM erasure WHERE workspace_id = +?1 AND contact_id = +?2 AND subject = +?2",
    ));
    statements
}

/// Contacts of which something is still to be erased, those first that were not looked at
/// for longest.
pub fn unfinished(limit: i64) -> Statement {
    Statement::new(
        "SELECT DISTINCT workspace_id, contact_id FROM (
           SELECT workspace_id, contact_id FROM erasure ORDER BY looked_at LIMIT +?1)",
        values![limit],
    )
}

/// Erases the next portion of what was written, newest first. What is being sent now is
/// looked at again: its outcome comes with the provider's words.
pub fn portion(workspace: WorkspaceId, contact: ContactId, now: Timestamp) -> Vec<Statement> {
    let work = "(SELECT subject, seq FROM erasure WHERE workspace_id = +?1 AND contact_id = +?2
        ORDER BY looked_at, subject LIMIT 12) q";
    let messages = format!(
        "FROM {work} CROSS JOIN message m ON m.conversation_id = q.subject AND m.seq <= q.seq
           AND m.seq > q.seq - {PORTION} AND m.workspace_id = +?1"
    );
    let events = format!(
        "SELECT e.workspace_id, e.subject, e.type, e.id {messages}
         CROSS JOIN event e ON e.workspace_id = +?1 AND e.subject = m.id
         UNION ALL SELECT e.workspace_id, e.subject, e.type, e.id FROM {work}
         CROSS JOIN event e ON e.workspace_id = +?1 AND e.subject = q.subject
         UNION ALL SELECT * FROM (
           SELECT e.workspace_id, e.subject, e.type, e.id FROM {work}
           CROSS JOIN event e INDEXED BY event_about ON e.workspace_id = +?1 AND e.about = q.subject LIMIT {PORTION})"
    );
    let waits = "EXISTS (SELECT 1 FROM message m
        WHERE m.conversation_id = erasure.subject AND m.turn IS NOT NULL)";
    let of = |sql: String| Statement::new(sql, values![workspace, contact]);
    let at_now = |sql: String| Statement::new(sql, values![workspace, contact, now]);
    vec![
        at_now(format!(
            "UPDATE message SET status = 'canceled', canceled_at = ?3, turn = NULL, due_at = NULL WHERE (workspace_id, id) IN (
               SELECT m.workspace_id, m.id FROM {work}
               CROSS JOIN message m INDEXED BY message_turn ON m.conversation_id = q.subject AND m.turn IS NOT NULL
               WHERE m.workspace_id = +?1 AND m.status = 'accepted' LIMIT {PORTION})"
        )),
        of(format!(
            "DELETE FROM delivery WHERE (endpoint_id, event_id) IN (
               SELECT d.endpoint_id, d.event_id FROM ({events}) o
               CROSS JOIN endpoint w ON w.workspace_id = +?1
               CROSS JOIN delivery d ON d.endpoint_id = w.id AND d.event_id = o.id)"
        )),
        // What stands for endpoints that are still to be told.
        of(format!(
            "DELETE FROM delivery WHERE endpoint_id = +?1 AND event_id IN (SELECT id FROM ({events}))"
        )),
        of(format!(
            "DELETE FROM event WHERE (workspace_id, subject, type) IN (
               SELECT workspace_id, subject, type FROM ({events}))"
        )),
        at_now(format!(
            "UPDATE media SET reference = NULL, filename = NULL, withdrawn_at = ?3, copy_due_at = NULL,
               stored_at = CASE WHEN stored_at IS NULL THEN NULL ELSE 0 END
             WHERE message_id IN (SELECT m.id {messages})"
        )),
        of(format!(
            "DELETE FROM change WHERE (channel_id, provider_message_id, key) IN (
               SELECT x.channel_id, x.provider_message_id, x.key {messages}
               CROSS JOIN change x ON x.channel_id = m.channel_id AND x.provider_message_id = m.provider_message_id)"
        )),
        of(format!(
            "DELETE FROM parked_report WHERE rowid IN (
               SELECT x.rowid {messages} CROSS JOIN parked_report x
                 ON x.channel_id = m.channel_id AND x.provider_message_id = m.provider_message_id)"
        )),
        of(format!(
            "UPDATE attempt SET detail = NULL WHERE detail IS NOT NULL AND (workspace_id, message_id) IN (
               SELECT m.workspace_id, m.id {messages})"
        )),
        at_now(format!(
            "UPDATE message SET content = '{ERASED}', metadata = NULL, adapted = NULL, choices = NULL,
               error_message = NULL, provider_message_id = NULL,
               fingerprint = CASE WHEN fingerprint IS NOT NULL THEN 'erased' END,
               canceled_at = CASE WHEN status = 'scheduled' THEN ?3 ELSE canceled_at END,
               status = CASE WHEN status = 'scheduled' THEN 'canceled' ELSE status END
             WHERE (workspace_id, id) IN (SELECT m.workspace_id, m.id {messages})"
        )),
        at_now(format!(
            "UPDATE erasure SET looked_at = ?3, seq = CASE WHEN {waits} THEN seq ELSE MAX(0, seq - {PORTION}) END
             WHERE (workspace_id, contact_id, subject) IN (SELECT ?1, ?2, q.subject FROM {work})"
        )),
    ]
}

/// Ends the work on what has nothing left. For the sweep, after a portion.
pub fn finish(workspace: WorkspaceId, contact: ContactId) -> Statement {
    Statement::new(
        "DELETE FROM erasure WHERE workspace_id = +?1 AND contact_id = +?2 AND seq = 0
           AND NOT EXISTS (SELECT 1 FROM message m
             WHERE m.conversation_id = erasure.subject AND m.turn IS NOT NULL)
           AND NOT EXISTS (SELECT 1 FROM event e INDEXED BY event_about
             WHERE e.workspace_id = +?1 AND e.about = erasure.subject)",
        values![workspace, contact],
    )
}
