//! Files: what is known of each, which are still to be copied, and what providers call
//! those that were uploaded to them. `stored_at` is from when a file that the bucket holds is
//! kept: from when it was put here, or from when what is scheduled with it is sent.

use super::{Statement, values};
use crate::model::id::{ChannelId, MediaId, MessageId, WorkspaceId};
use crate::model::time::{DAY_MS, Timestamp};
use serde_json::Value as Json;

/// Columns of `MediaRow`.
const ROW: &str =
    "f.workspace_id, f.id, f.channel_id, f.reference, f.mime_type, f.filename, f.size_bytes,
    f.stored_at, f.copies";

/// Notes the files of messages that were really inserted. `?3` is what was received; the
/// bytes are to be copied from `copy_due_at` on, if at all.
pub fn received(
    workspace: WorkspaceId,
    channel: ChannelId,
    received: String,
    copy_due_at: Option<Timestamp>,
    now: Timestamp,
) -> Statement {
    Statement::new(
        "INSERT INTO media (workspace_id, id, channel_id, message_id, reference, mime_type, filename, size_bytes,
           copy_due_at, created_at)
         SELECT ?1, p.value ->> '$.media.id', ?2, m.id, p.value ->> '$.media.reference',
           p.value ->> '$.media.mimeType', p.value ->> '$.media.filename', p.value ->> '$.media.sizeBytes', ?4, ?5
         FROM json_each(?3) p CROSS JOIN message m ON m.workspace_id = +?1 AND m.id = p.value ->> '$.id'
         WHERE p.value ->> '$.media.id' IS NOT NULL
         ON CONFLICT DO NOTHING",
        values![workspace, channel, received, copy_due_at, now],
    )
}

pub fn get(workspace: WorkspaceId, id: MediaId) -> Statement {
    Statement::new(
        format!(
            "SELECT {ROW} FROM media f WHERE f.workspace_id = +?1 AND f.id = +?2 AND f.withdrawn_at IS NULL"
        ),
        values![workspace, id],
    )
}

/// What is handed out under a link.
pub fn by_link(link: &str) -> Statement {
    Statement::new(
        format!("SELECT {ROW} FROM media f WHERE f.link = +?1"),
        values![link],
    )
}

/// What a client puts here, before its bytes are: whatever comes of it, it is cleared away
/// with what is kept no longer.
pub fn put(
    workspace: WorkspaceId,
    id: MediaId,
    link: &str,
    mime_type: &str,
    filename: Option<&str>,
    now: Timestamp,
) -> Statement {
    Statement::new(
        "INSERT INTO media (workspace_id, id, link, mime_type, filename, created_at, stored_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6) ON CONFLICT DO NOTHING",
        values![workspace, id, link, mime_type, filename, now],
    )
}

/// The links under which a workspace's files are handed out.
pub fn links(workspace: WorkspaceId, ids: &[MediaId]) -> Statement {
    Statement::new(
        "SELECT f.id, f.link, f.mime_type, f.filename FROM json_each(?2) p
         CROSS JOIN media f ON f.workspace_id = +?1 AND f.id = p.value
         WHERE f.link IS NOT NULL AND f.stored_at IS NOT NULL",
        values![workspace, serde_json::json!(ids)],
    )
}

/// Keeps the files that a message links to for as long after a moment as if they were put here
/// then, if the message is there. Within a day of it they are left as they are: a file that goes
/// to many is not written for each.
pub fn keep(
    workspace: WorkspaceId,
    message: MessageId,
    links: &[&str],
    until: Timestamp,
) -> Statement {
    Statement::new(
        format!(
            "UPDATE media SET stored_at = ?3 FROM json_each(?2) p
             WHERE media.link = p.value AND +media.workspace_id = ?1
               AND +media.stored_at < ?3 - {DAY_MS} AND media.withdrawn_at IS NULL
               AND EXISTS (SELECT 1 FROM message m WHERE m.workspace_id = +?1 AND m.id = +?4)"
        ),
        values![workspace, serde_json::json!(links), until, message],
    )
}

/// Takes files whose copy is due, each put off until `again` in case this one fails.
pub fn claim_copies(now: Timestamp, again: Timestamp, limit: i64) -> Statement {
    Statement::new(
        "UPDATE media SET copy_due_at = ?2, copies = copies + 1 WHERE (workspace_id, id) IN (
           SELECT workspace_id, id FROM media WHERE copy_due_at <= ?1 ORDER BY copy_due_at LIMIT +?3)
         RETURNING workspace_id, id, channel_id, reference, mime_type, filename, size_bytes, stored_at, copies",
        values![now, again, limit],
    )
}

/// The same of one file, right after it came.
pub fn claim_copy(
    workspace: WorkspaceId,
    id: MediaId,
    now: Timestamp,
    again: Timestamp,
) -> Statement {
    Statement::new(
        "UPDATE media SET copy_due_at = ?4, copies = copies + 1
         WHERE workspace_id = +?1 AND id = +?2 AND copy_due_at <= ?3
         RETURNING workspace_id, id, channel_id, reference, mime_type, filename, size_bytes, stored_at, copies",
        values![workspace, id, now, again],
    )
}

/// Notes that the bucket holds a file.
pub fn stored(workspace: WorkspaceId, id: MediaId, size_bytes: i64, now: Timestamp) -> Statement {
    Statement::new(
        "UPDATE media SET stored_at = CASE WHEN withdrawn_at IS NULL THEN ?4 ELSE 0 END, size_bytes = ?3,
           copy_due_at = NULL
         WHERE workspace_id = +?1 AND id = +?2",
        values![workspace, id, size_bytes, now],
    )
}

/// Puts a copy off.
pub fn copy_later(workspace: WorkspaceId, id: MediaId, later: Timestamp) -> Statement {
    Statement::new(
        "UPDATE media SET copy_due_at = ?3
         WHERE workspace_id = +?1 AND id = +?2 AND copy_due_at IS NOT NULL",
        values![workspace, id, later],
    )
}

/// Gives up copying a file: it is fetched from its provider whenever it is asked for.
pub fn not_copied(workspace: WorkspaceId, id: MediaId) -> Statement {
    Statement::new(
        "UPDATE media SET copy_due_at = NULL WHERE workspace_id = +?1 AND id = +?2",
        values![workspace, id],
    )
}

/// Files that the bucket has held for longer than they are kept.
pub fn outlived(before: Timestamp, limit: i64) -> Statement {
    Statement::new(
        "SELECT workspace_id, id FROM media WHERE stored_at <= ?1 ORDER BY stored_at LIMIT +?2",
        values![before, limit],
    )
}

/// Files of a workspace that the bucket holds.
pub fn held(workspace: WorkspaceId, limit: i64) -> Statement {
    Statement::new(
        "SELECT workspace_id, id FROM media WHERE workspace_id = +?1 AND stored_at IS NOT NULL LIMIT +?2",
        values![workspace, limit],
    )
}

/// Notes that the bucket no longer holds files, given as pairs of workspace and id. What a
/// client put there is gone with them.
pub fn discarded(files: &Json) -> Vec<Statement> {
    vec![
        Statement::new(
            "DELETE FROM media WHERE reference IS NULL AND (workspace_id, id) IN (
               SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]') FROM json_each(?1))",
            values![files.clone()],
        ),
        Statement::new(
            "UPDATE media SET stored_at = NULL WHERE (workspace_id, id) IN (
               SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]') FROM json_each(?1))",
            values![files.clone()],
        ),
    ]
}

/// What a provider calls the file of a source, if it still keeps it.
pub fn uploaded(channel: ChannelId, source: &str, now: Timestamp) -> Statement {
    Statement::new(
        "SELECT provider_id FROM upload WHERE channel_id = +?1 AND source = +?2 AND expires_at > ?3",
        values![channel, source, now],
    )
}

/// Notes what a provider calls a file, and how long it keeps it.
pub fn keep_upload(
    workspace: WorkspaceId,
    channel: ChannelId,
    source: &str,
    provider_id: &str,
    expires_at: Timestamp,
) -> Statement {
    Statement::new(
        "INSERT INTO upload (channel_id, source, workspace_id, provider_id, expires_at)
         VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (channel_id, source) DO UPDATE SET
           provider_id = excluded.provider_id, expires_at = excluded.expires_at",
        values![channel, source, workspace, provider_id, expires_at],
    )
}

/// Forgets what a provider called a file: it does not know it any more.
pub fn forget_upload(channel: ChannelId, source: &str) -> Statement {
    Statement::new(
        "DELETE FROM upload WHERE channel_id = +?1 AND source = +?2",
        values![channel, source],
    )
}

/// Clears what providers no longer keep.
pub fn purge_uploads(now: Timestamp, limit: i64) -> Statement {
    Statement::new(
        "DELETE FROM upload WHERE (channel_id, source) IN (
           SELECT channel_id, source FROM upload WHERE expires_at <= ?1 ORDER BY expires_at LIMIT +?2)",
        values![now, limit],
    )
}
