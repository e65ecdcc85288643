//! What becomes of a message after it was sent, in whatever order it is told: a change waits
//! until its message is known, the newest edit stands, and a deletion ends them all.

use super::events;
use super::inbound::Receiver;
use super::{Statement, values};
use crate::model::id::ChannelId;
use crate::model::time::Timestamp;
use serde::Serialize;
use serde_json::{Value as Json, json};

/// A change as it was told.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Change {
    pub provider_message_id: String,
    pub key: String,
    /// `edited`, `deleted` or `reaction`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// Of an edit, as JSON; of a reaction, its emoji.
    pub content: Option<String>,
    /// Unix milliseconds by the provider's clock.
    pub at: i64,
    pub event: String,
}

/// What is left of a deleted message.
const DELETED: &str = r#"{"type":"unsupported","providerType":"deleted"}"#;

/// Keeps changes; one that is kept already is left as it is.
pub fn keep(receiver: Receiver, changes: &[Change], now: Timestamp) -> Statement {
    let is_current = receiver.is_current();
    Statement::new(
        format!(
            "INSERT INTO change (channel_id, provider_message_id, key, workspace_id, type, content, at,
               event_id, due_at, created_at)
             SELECT ?2, p.value ->> '$.providerMessageId', p.value ->> '$.key', ?1, p.value ->> '$.type',
               p.value ->> '$.content', p.value ->> '$.at', p.value ->> '$.event', ?4, ?4
             FROM json_each(?3) p WHERE {is_current}
             ON CONFLICT DO NOTHING"
        ),
        values![
            receiver.workspace_id,
            receiver.channel_id,
            json!(changes),
            now
        ],
    )
}

/// Changes `c` of the messages whose ids are `?1`, on channel `?2`, that wait and whose
/// message `m` is known.
const WAITING: &str = "
    json_each(?1) p
    CROSS JOIN change c ON c.channel_id = +?2 AND c.provider_message_id = p.value AND c.due_at IS NOT NULL
    CROSS JOIN message m ON m.channel_id = +?2 AND m.provider_message_id = c.provider_message_id";

/// The same of deletions, with all the messages that one of the provider's became.
const WITHDRAWN: &str = "
    json_each(?1) p
    CROSS JOIN change c ON c.channel_id = +?2 AND c.provider_message_id = p.value AND c.due_at IS NOT NULL
      AND c.type = 'deleted'
    CROSS JOIN message m ON m.channel_id = +?2 AND (m.provider_message_id = c.provider_message_id
      OR (m.provider_message_id > c.provider_message_id || ':'
        AND m.provider_message_id < c.provider_message_id || ';'))";

/// Contents that are files, and may have a caption.
const FILES: &str = "'image', 'video', 'audio', 'document'";

/// Applies the changes that wait for messages, and tells subscribers. An edit of a file is
/// one of its caption; what becomes a file is its caption from then on. The last statement
/// gives back the deliveries.
pub fn apply(channel: ChannelId, ids: &[String], now: Timestamp) -> Vec<Statement> {
    let ids = json!(ids);
    let given = || values![ids.clone(), channel];
    let at_now = || values![ids.clone(), channel, now];
    vec![
        Statement::new(
            format!(
                "UPDATE message SET edited_at = told.at, content = CASE
                   WHEN message.content ->> '$.type' IN ({FILES})
                     AND told.content ->> '$.type' = 'text'
                   THEN json_set(message.content, '$.caption', told.content ->> '$.text')
                   WHEN message.content ->> '$.type' IN ({FILES})
                     AND told.content ->> '$.type' = message.content ->> '$.type'
                   THEN CASE WHEN told.content ->> '$.caption' IS NULL
                     THEN json_remove(message.content, '$.caption')
                     ELSE json_set(message.content, '$.caption', told.content ->> '$.caption') END
                   WHEN message.content ->> '$.type' IN ({FILES}, 'sticker')
                   THEN message.content
                   WHEN told.content ->> '$.caption' IS NOT NULL
                   THEN json_object('type', 'text', 'text', told.content ->> '$.caption')
                   WHEN told.content ->> '$.type' IN ({FILES}, 'sticker')
                   THEN json_object('type', 'unsupported', 'providerType', told.content ->> '$.type')
                   ELSE told.content END
                 FROM (SELECT m.workspace_id, m.id, c.content, MAX(c.at) AS at FROM {WAITING}
                       WHERE c.type = 'edited' GROUP BY m.workspace_id, m.id LIMIT 1000000) told
                 WHERE message.workspace_id = told.workspace_id AND message.id = told.id
                   AND message.deleted_at IS NULL AND (message.edited_at IS NULL OR message.edited_at <= told.at)"
            ),
            given(),
        ),
        Statement::new(
            format!(
                "UPDATE media SET withdrawn_at = ?3, copy_due_at = NULL,
                   stored_at = CASE WHEN stored_at IS NULL THEN NULL ELSE 0 END
                 WHERE message_id IN (SELECT m.id FROM {WITHDRAWN})"
            ),
            at_now(),
        ),
        Statement::new(
            format!(
                "UPDATE message SET deleted_at = told.at, edited_at = NULL, content = '{DELETED}', choices = NULL,
                   metadata = CASE WHEN actor IS NOT NULL THEN metadata END
                 FROM (SELECT m.workspace_id, m.id, MIN(c.at) AS at FROM {WITHDRAWN}
                       GROUP BY m.workspace_id, m.id LIMIT 1000000) told
                 WHERE message.workspace_id = told.workspace_id AND message.id = told.id
                   AND message.deleted_at IS NULL"
            ),
            given(),
        ),
        events::of_changes(
            &format!(
                "SELECT m.workspace_id, m.id AS message_id, 'message.' || c.type AS type, c.event_id,
                   CASE c.type WHEN 'reaction' THEN json_object('emoji', c.content, 'at', c.at) END AS reaction
                 FROM {WAITING} WHERE c.type <> 'edited' OR m.deleted_at IS NULL"
            ),
            3,
            at_now(),
        ),
        events::fan_out_of(
            &format!(
                "SELECT m.workspace_id, c.event_id AS subject, c.event_id FROM {WAITING}"
            ),
            3,
            at_now(),
        ),
        Statement::new(
            format!(
                "UPDATE change SET due_at = NULL WHERE (channel_id, provider_message_id, key) IN (
                   SELECT c.channel_id, c.provider_message_id, c.key FROM {WAITING})"
            ),
            given(),
        ),
    ]
}

/// Where `apply` gives back the deliveries.
pub const TOLD: usize = 4;

/// Which of these messages changes wait for.
pub fn waiting(channel: ChannelId, ids: &Json) -> Statement {
    Statement::new(
        "SELECT DISTINCT c.provider_message_id FROM json_each(?1) p
         CROSS JOIN change c ON c.channel_id = +?2 AND c.provider_message_id = p.value
         WHERE c.due_at IS NOT NULL",
        values![ids.clone(), channel],
    )
}

/// Changes that are due to be looked at again, each put off for as long again as it has
/// waited.
pub fn look_again(now: Timestamp, limit: i64) -> Statement {
    Statement::new(
        "UPDATE change SET due_at = ?1 + MAX(60000, ?1 - created_at)
         WHERE (channel_id, provider_message_id, key) IN (
           SELECT channel_id, provider_message_id, key FROM change
           WHERE due_at <= ?1 ORDER BY due_at LIMIT +?2)
         RETURNING channel_id, provider_message_id",
        values![now, limit],
    )
}

/// Clears what is older than events are kept.
pub fn purge(before: Timestamp, limit: i64) -> Statement {
    Statement::new(
        "DELETE FROM change WHERE (channel_id, provider_message_id, key) IN (
           SELECT channel_id, provider_message_id, key FROM change
           WHERE created_at <= ?1 ORDER BY created_at LIMIT +?2)",
        values![before, limit],
    )
}

/// Whether people want to be written to: JSON array of `[address, when they opted out or
/// nothing, when it was said]`.
pub fn consents(receiver: Receiver, consents: &Json) -> Statement {
    let is_current = receiver.is_current();
    Statement::new(
        format!(
            "UPDATE conversation SET opted_out_at = told.opted_out_at, consent_at = told.at
             FROM (SELECT c.workspace_id, c.id, json_extract(p.value, '$[1]') AS opted_out_at,
                     MAX(json_extract(p.value, '$[2]')) AS at
                   FROM json_each(?1) p
                   CROSS JOIN conversation c ON c.channel_id = +?2 AND c.address = json_extract(p.value, '$[0]')
                   WHERE {is_current} GROUP BY c.workspace_id, c.id LIMIT 1000000) told
             WHERE conversation.workspace_id = told.workspace_id AND conversation.id = told.id
               AND (conversation.consent_at IS NULL OR conversation.consent_at <= told.at)"
        ),
        values![consents.clone(), receiver.channel_id],
    )
}
