//! Visitors of web chats, their tokens, and what they read. What they write is stored
//! as any channel's messages are, in `inbound`.

use super::inbound::Receiver;
use super::{Statement, Value, keys, values};
use crate::model::id::{ChannelId, ConversationId, VisitorId, WorkspaceId};
use crate::model::time::{DAY_MS, Timestamp};
use crate::model::visitor::Visitor;

/// Most tokens a visitor has: as many devices, or visits of one that keeps nothing.
const MOST_TOKENS: i64 = 20;

/// The visitor of a token (by its hash), as the columns of `Visitor`.
pub fn by_token(hash: &str) -> Statement {
    Statement::new(
        "SELECT v.id, v.channel_id, v.conversation_id FROM visitor_token t
         CROSS JOIN visitor v ON v.channel_id = t.channel_id AND v.id = t.visitor_id
         WHERE t.hash = +?1",
        values![hash],
    )
}

/// One row if a token is good, and its channel the one that was remembered; rides in the
/// batch of whatever it guards.
pub fn is_current(hash: &str, version: i64) -> Statement {
    Statement::new(
        "SELECT 1 AS current FROM visitor_token t
         CROSS JOIN visitor v ON v.channel_id = t.channel_id AND v.id = t.visitor_id
         CROSS JOIN channel h ON h.id = t.channel_id
         WHERE t.hash = +?1 AND h.version = +?2 AND h.deleted_at IS NULL",
        values![hash, version],
    )
}

/// What a visitor says of themselves. The address and the user's name at the site are
/// not checked by anybody.
pub struct Said<'a> {
    pub email: Option<&'a str>,
    /// Proved.
    pub user_id: Option<&'a str>,
}

/// Makes a visitor of a conversation's address, if there is none yet, and a token of
/// theirs: nothing of both unless the channel is still the one that was asked.
pub fn admit(
    channel: Receiver,
    visitor: VisitorId,
    said: &Said<'_>,
    hash: &str,
    now: Timestamp,
) -> Vec<Statement> {
    let (workspace, id, version) = (channel.workspace_id, channel.channel_id, channel.version);
    let is_current = "EXISTS (SELECT 1 FROM channel h WHERE h.id = +?1 AND h.version = +?2 AND h.deleted_at IS NULL)";
    let mut statements = vec![
        Statement::new(
            format!(
                "INSERT INTO visitor (workspace_id, channel_id, id, user_id, conversation_id, read_seq, created_at)
                 SELECT c.workspace_id, c.channel_id, c.address, ?4, c.id, 0, ?5
                 FROM conversation c WHERE c.channel_id = +?1 AND c.address = +?3 AND {is_current}
                 ON CONFLICT DO NOTHING"
            ),
            values![id, version, visitor, said.user_id, now],
        ),
        Statement::new(
            format!(
                "INSERT INTO visitor_token (hash, workspace_id, channel_id, visitor_id, created_at)
                 SELECT ?4, v.workspace_id, v.channel_id, v.id, ?5
                 FROM visitor v WHERE v.channel_id = +?1 AND v.id = +?3 AND {is_current}
                 ON CONFLICT DO NOTHING"
            ),
            values![id, version, visitor, hash, now],
        ),
    ];
    if said.email.is_some() || said.user_id.is_some() {
        // What the workspace wrote there, or the visitor before, stands.
        statements.push(Statement::new(
            format!(
                "UPDATE contact SET metadata = json_patch(
                   json_patch('{{}}', json_object('email', ?4, 'userId', ?5)), COALESCE(metadata, '{{}}'))
                 FROM conversation c
                 WHERE c.channel_id = +?1 AND c.address = +?3 AND {is_current}
                   AND contact.workspace_id = c.workspace_id AND contact.id = c.contact_id
                   AND ((?4 IS NOT NULL AND COALESCE(metadata, '{{}}') ->> '$.email' IS NULL)
                     OR (?5 IS NOT NULL AND COALESCE(metadata, '{{}}') ->> '$.userId' IS NULL))"
            ),
            values![id, version, visitor, said.email, said.user_id],
        ));
    }
    if said.user_id.is_some() {
        statements.push(Statement::new(
            format!(
                "DELETE FROM visitor_token WHERE hash IN (
                   SELECT hash FROM visitor_token
                   WHERE workspace_id = +?1 AND channel_id = +?2 AND visitor_id = +?3
                   ORDER BY created_at DESC, hash LIMIT 100 OFFSET {MOST_TOKENS})"
            ),
            values![workspace, id, visitor],
        ));
    }
    statements
}

/// What must hold for a visitor's message to be stored, as `inbound::messages_if` takes
/// it: the token is good, and the idempotency key made nothing yet.
pub fn may_post(hash: &str, scope: Option<&str>, now: Timestamp) -> (String, Vec<Value>) {
    let living_days = keys::living_days("?6");
    (
        format!(
            "EXISTS (SELECT 1 FROM visitor_token t WHERE t.hash = +?4)
             AND NOT EXISTS (SELECT 1 FROM idempotency d
               WHERE {living_days} AND d.workspace_id = +?1 AND d.scope = +?5 AND d.created_at > ?6 - {DAY_MS})"
        ),
        values![hash, scope, now],
    )
}

/// Keeps which message an idempotency key of a visitor made.
pub fn keep_scope(
    workspace: WorkspaceId,
    scope: &str,
    message: (ChannelId, &str),
    fingerprint: &str,
    now: Timestamp,
) -> Statement {
    let (channel, provider_message_id) = message;
    Statement::new(
        format!(
            "INSERT INTO idempotency (day, workspace_id, scope, fingerprint, subject_id, created_at)
             SELECT CAST(?3 / {DAY_MS} AS INTEGER), workspace_id, ?2, fingerprint, id, ?3 FROM message
             WHERE channel_id = +?4 AND provider_message_id = +?5 AND workspace_id = +?1 AND fingerprint = +?6
             ON CONFLICT DO NOTHING"
        ),
        values![
            workspace,
            scope,
            now,
            channel,
            provider_message_id,
            fingerprint
        ],
    )
}

/// The message that a key or a visitor's own id made before, as `messages::earlier`
/// gives it.
pub fn earlier(
    workspace: WorkspaceId,
    scope: Option<&str>,
    message: (ChannelId, Option<&str>),
    now: Timestamp,
) -> Statement {
    let (channel, provider_message_id) = message;
    let living_days = keys::living_days("?3");
    Statement::new(
        format!(
            "SELECT 'key' AS by, d.subject_id AS id, d.fingerprint, r.record
             FROM idempotency d CROSS JOIN message_record r ON r.workspace_id = d.workspace_id AND r.id = d.subject_id
             WHERE {living_days} AND d.workspace_id = +?1 AND d.scope = +?2 AND d.created_at > ?3 - {DAY_MS}
             UNION ALL
             SELECT 'client' AS by, m.id, m.fingerprint, r.record
             FROM message m CROSS JOIN message_record r ON r.workspace_id = m.workspace_id AND r.id = m.id
             WHERE m.channel_id = +?4 AND m.provider_message_id = +?5"
        ),
        values![workspace, scope, now, channel, provider_message_id],
    )
}

/// The messages of a conversation that its visitor may see, oldest first, after a seq.
pub fn messages_after(
    workspace: WorkspaceId,
    conversation: ConversationId,
    after: i64,
    limit: i64,
) -> Statement {
    Statement::new(
        "SELECT r.record FROM (
           SELECT workspace_id, id, seq FROM message
           WHERE conversation_id = +?2 AND seq > ?3 AND workspace_id = +?1
             AND status IN ('received', 'sent', 'delivered', 'read')
           ORDER BY seq LIMIT +?4
         ) page CROSS JOIN message_record r ON r.workspace_id = page.workspace_id AND r.id = page.id
         ORDER BY page.seq",
        values![workspace, conversation, after, limit],
    )
}

/// The next messages of a visitor's conversation after those they have read, up to a seq:
/// columns `id`, `seq`, `status`.
pub fn unread(visitor: &Visitor, seq: i64, limit: i64) -> Statement {
    Statement::new(
        "SELECT m.id, m.seq, m.status FROM visitor v
         CROSS JOIN message m ON m.conversation_id = v.conversation_id AND m.seq > v.read_seq AND m.seq <= ?3
         WHERE v.channel_id = +?1 AND v.id = +?2
         ORDER BY m.seq LIMIT +?4",
        values![visitor.channel_id, visitor.id, seq, limit],
    )
}

/// Notes how far a visitor has read.
pub fn read_up_to(visitor: &Visitor, seq: i64) -> Statement {
    Statement::new(
        "UPDATE visitor SET read_seq = ?3 WHERE channel_id = +?1 AND id = +?2 AND read_seq < ?3",
        values![visitor.channel_id, visitor.id, seq],
    )
}
