//! Reading messages back.

use super::{SCAN, Statement, Value, keys, values};
use crate::model::id::{ChannelId, ConversationId, MessageId, WorkspaceId, lower_bound};
use crate::model::message::DeliveryStatus;
use crate::model::time::{DAY_MS, Timestamp};

/// One message, as `MessageRecord`.
pub fn get(workspace: WorkspaceId, id: MessageId) -> Statement {
    Statement::new(
        "SELECT record FROM message_record WHERE workspace_id = +?1 AND id = +?2",
        values![workspace, id],
    )
}

/// The first call to the provider of a message `r`, if it was made by the request that made
/// the message: what that request was answered. It never changes; `NULL` while it is not over.
const FIRST_ATTEMPT: &str = "(
    SELECT json_object('outcome', a.outcome, 'provider_code', a.provider_code, 'detail', a.detail)
    FROM message m CROSS JOIN attempt a ON a.workspace_id = m.workspace_id AND a.message_id = m.id AND a.number = 1
    WHERE m.workspace_id = r.workspace_id AND m.id = r.id AND m.sending_at = m.created_at)";

/// One message, as `MessageRecord`, and its `first_attempt`.
pub fn get_sent(workspace: WorkspaceId, id: MessageId) -> Statement {
    Statement::new(
        format!(
            "SELECT r.record, {FIRST_ATTEMPT} AS first_attempt
             FROM message_record r WHERE r.workspace_id = +?1 AND r.id = +?2"
        ),
        values![workspace, id],
    )
}

/// Whose message is looked for.
pub enum Whose<'a> {
    Workspace(WorkspaceId),
    /// The workspace of an API key, by its hash.
    Key(&'a str),
}

/// The message that a key or a client's id made before, with the fingerprint of
/// the request that made it. Columns `by`, `id`, `fingerprint`, `record`, `first_attempt`.
pub fn earlier(
    whose: &Whose<'_>,
    scope: Option<&str>,
    client_message_id: Option<&str>,
    now: Timestamp,
) -> Statement {
    let (workspace, by) = match whose {
        Whose::Workspace(id) => ("+?1", Value::from(*id)),
        Whose::Key(hash) => (
            "(SELECT workspace_id FROM api_key WHERE hash = +?1)",
            Value::from(*hash),
        ),
    };
    Statement::new(
        format!(
            "SELECT 'key' AS by, d.subject_id AS id, d.fingerprint, r.record, {FIRST_ATTEMPT} AS first_attempt
             FROM idempotency d CROSS JOIN message_record r ON r.workspace_id = d.workspace_id AND r.id = d.subject_id
             WHERE {LIVING} AND d.workspace_id = {workspace} AND d.scope = +?2 AND d.created_at > ?4 - {DAY_MS}
             UNION ALL
             SELECT 'client' AS by, m.id, m.fingerprint, r.record, {FIRST_ATTEMPT} AS first_attempt
             FROM message m CROSS JOIN message_record r ON r.workspace_id = m.workspace_id AND r.id = m.id
             WHERE m.workspace_id = {workspace} AND m.client_message_id = +?3",
            LIVING = keys::living_days("?4")
        ),
        values![by, scope, client_message_id, now],
    )
}

#[derive(Default)]
pub struct Filter {
    pub status: Option<DeliveryStatus>,
    pub channel_id: Option<ChannelId>,
    pub since: Option<Timestamp>,
}

impl Filter {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.status.is_none() && self.channel_id.is_none() && self.since.is_none()
    }
}

/// A page of a workspace's messages before an id, newest first, among the next
/// `SCAN` rows.
pub fn list(workspace: WorkspaceId, filter: &Filter, before: &str, limit: i64) -> Statement {
    Statement::new(
        format!(
            "SELECT r.record FROM (
               SELECT workspace_id, id, status, channel_id, created_at FROM {listed}
                 AND workspace_id = +?1 AND id < ?2 AND id >= ?3
               ORDER BY id DESC LIMIT +?4
             ) page CROSS JOIN message_record r ON r.workspace_id = page.workspace_id AND r.id = page.id
             WHERE (?5 IS NULL OR page.status = +?5) AND (?6 IS NULL OR page.channel_id = +?6)
               AND (?7 IS NULL OR page.created_at >= ?7)
             ORDER BY page.id DESC LIMIT +?8",
            listed = listed(filter)
        ),
        values![
            workspace,
            before,
            since(filter),
            SCAN,
            filter.status.map(DeliveryStatus::name),
            filter.channel_id,
            filter.since,
            limit,
        ],
    )
}

/// The last id that a filtered page looks at, if there are as many.
pub fn scan_end(workspace: WorkspaceId, filter: &Filter, before: &str) -> Statement {
    Statement::new(
        format!(
            "SELECT id FROM {listed} AND workspace_id = +?1 AND id < ?2 AND id >= ?3
             ORDER BY id DESC LIMIT 1 OFFSET +?4",
            listed = listed(filter)
        ),
        values![workspace, before, since(filter), SCAN - 1],
    )
}

/// The messages a list goes through. What is scheduled is few, and old.
fn listed(filter: &Filter) -> &'static str {
    if filter.status == Some(DeliveryStatus::Scheduled) {
        "message INDEXED BY message_scheduled_list WHERE status = 'scheduled'"
    } else {
        "message WHERE true"
    }
}

/// Ids from here on hold every message of `since` or later: none is older than the
/// moment it tells, which for a received one is the provider's.
fn since(filter: &Filter) -> String {
    filter.since.map(lower_bound).unwrap_or_default()
}

/// A page of one conversation's messages before a seq, newest first, among the
/// next `SCAN` rows.
pub fn list_conversation(
    workspace: WorkspaceId,
    conversation: ConversationId,
    filter: &Filter,
    before_seq: i64,
    limit: i64,
) -> Statement {
    Statement::new(
        "SELECT r.record FROM (
           SELECT workspace_id, id, seq, status, channel_id, created_at FROM message
           WHERE conversation_id = +?2 AND seq < ?3 AND workspace_id = +?1
           ORDER BY seq DESC LIMIT +?4
         ) page CROSS JOIN message_record r ON r.workspace_id = page.workspace_id AND r.id = page.id
         WHERE (?5 IS NULL OR page.status = +?5) AND (?6 IS NULL OR page.channel_id = +?6)
           AND (?7 IS NULL OR page.created_at >= ?7)
         ORDER BY page.seq DESC LIMIT +?8",
        values![
            workspace,
            conversation,
            before_seq,
            SCAN,
            filter.status.map(DeliveryStatus::name),
            filter.channel_id,
            filter.since,
            limit,
        ],
    )
}

/// The last seq that a filtered page of a conversation looks at, if there are as many.
pub fn conversation_scan_end(
    workspace: WorkspaceId,
    conversation: ConversationId,
    before_seq: i64,
) -> Statement {
    Statement::new(
        "SELECT seq FROM message WHERE conversation_id = +?2 AND seq < ?3 AND workspace_id = +?1
         ORDER BY seq DESC LIMIT 1 OFFSET +?4",
        values![workspace, conversation, before_seq, SCAN - 1],
    )
}

/// The calls made to send a message, as `AttemptRecord`, oldest first.
pub fn attempts(workspace: WorkspaceId, id: MessageId) -> Statement {
    Statement::new(
        "SELECT number, outcome, provider_code, detail, started_at, ended_at FROM attempt
         WHERE workspace_id = +?1 AND message_id = +?2 ORDER BY number LIMIT 200",
        values![workspace, id],
    )
}
