//! Contacts that are one person: what a merge moves, and what is kept to take it back.

use super::{Statement, events, values};
use crate::model::id::{ContactId, EventId, WorkspaceId};
use crate::model::time::Timestamp;
use serde_json::json;

/// The contact that the id `id` stands for in a workspace: another, once it was merged.
pub(super) fn surviving(workspace: &str, id: &str) -> String {
    format!(
        "COALESCE((SELECT g.into_id FROM contact_merge g
           WHERE g.workspace_id = {workspace} AND g.contact_id = {id} AND g.undone_at IS NULL), {id})"
    )
}

/// The merge of the contact `?2` of the workspace `?1`, while it stands.
const STANDING: &str =
    "contact_merge g WHERE g.workspace_id = +?1 AND g.contact_id = +?2 AND g.undone_at IS NULL";

/// Merges a contact into another, if both are there and not the same. All that follows hangs
/// on the merge's row, so that of two merges of a contact at once one is made. The last
/// statement gives back the deliveries.
pub fn merge(
    workspace: WorkspaceId,
    contact: ContactId,
    into: ContactId,
    event: EventId,
    now: Timestamp,
) -> Vec<Statement> {
    let of = || values![workspace, contact];
    let into_id = surviving("+?1", "+?3");
    let moved_to = format!("(SELECT g.into_id FROM {STANDING})");
    let is_merged = format!("EXISTS (SELECT 1 FROM {STANDING})");
    vec![
        Statement::new(
            format!(
                "INSERT INTO contact_merge (workspace_id, contact_id, into_id, id, name, metadata, created_at,
                   moved, merged_at)
                 SELECT p.workspace_id, p.id, x.id, ?4, p.name, p.metadata, p.created_at, json_object(
                   'identities', json((
                     SELECT json_group_array(json_object('kind', i.kind, 'value', i.value)) FROM identity i
                     WHERE i.workspace_id = p.workspace_id AND i.contact_id = p.id)),
                   'conversations', json((
                     SELECT json_group_array(c.id) FROM conversation c INDEXED BY conversation_contact
                     WHERE c.workspace_id = p.workspace_id AND c.contact_id = p.id)),
                   'merges', json((
                     SELECT json_group_array(g.contact_id) FROM contact_merge g INDEXED BY contact_merge_into
                     WHERE g.workspace_id = p.workspace_id AND g.into_id = p.id AND g.undone_at IS NULL)),
                   'name', x.name IS NULL AND p.name IS NOT NULL,
                   'metadata', x.metadata IS NULL AND p.metadata IS NOT NULL), ?5
                 FROM contact p
                 CROSS JOIN contact x ON x.workspace_id = p.workspace_id AND x.id = {into_id} AND x.id <> p.id
                 WHERE p.workspace_id = +?1 AND p.id = +?2
                 ON CONFLICT (workspace_id, contact_id) DO UPDATE SET
                   into_id = excluded.into_id, id = excluded.id, name = excluded.name,
                   metadata = excluded.metadata, created_at = excluded.created_at, moved = excluded.moved,
                   merged_at = excluded.merged_at, undone_at = NULL
                 WHERE contact_merge.undone_at IS NOT NULL"
            ),
            values![workspace, contact, into, event, now],
        ),
        Statement::new(
            format!(
                "UPDATE identity SET contact_id = {moved_to}
                 WHERE workspace_id = +?1 AND contact_id = +?2 AND {is_merged}"
            ),
            of(),
        ),
        Statement::new(
            format!(
                "UPDATE conversation INDEXED BY conversation_contact SET contact_id = {moved_to}
                 WHERE workspace_id = +?1 AND contact_id = +?2 AND {is_merged}"
            ),
            of(),
        ),
        Statement::new(
            format!(
                "UPDATE contact_merge INDEXED BY contact_merge_into SET into_id = {moved_to}
                 WHERE workspace_id = +?1 AND into_id = +?2 AND undone_at IS NULL AND {is_merged}"
            ),
            of(),
        ),
        // To be indexed anew, with all it is known as now.
        Statement::new(
            "UPDATE contact SET name = COALESCE(contact.name, merged.name),
               metadata = COALESCE(contact.metadata, merged.metadata), folded = NULL, grams = NULL
             FROM (SELECT * FROM contact_merge WHERE workspace_id = +?1 AND contact_id = +?2 AND id = +?3
                     AND undone_at IS NULL LIMIT 1) merged
             WHERE contact.workspace_id = merged.workspace_id AND contact.id = merged.into_id",
            values![workspace, contact, event],
        ),
        Statement::new(
            format!("DELETE FROM contact WHERE workspace_id = +?1 AND id = +?2 AND {is_merged}"),
            of(),
        ),
        super::search::forget(workspace, contact),
        events::contact_merged(workspace, contact, event, now),
        events::fan_out(json!([[workspace, event, event]]), now),
    ]
}

/// How a merge stands, as one row: whether the contact is one still, `merged_into`, and the
/// `target` that it is to be, if there is one.
pub fn state(workspace: WorkspaceId, contact: ContactId, into: ContactId) -> Statement {
    let target = surviving("+?1", "+?3");
    Statement::new(
        format!(
            "SELECT EXISTS (SELECT 1 FROM contact WHERE workspace_id = +?1 AND id = +?2) AS is_there,
               (SELECT g.into_id FROM {STANDING}) AS merged_into,
               (SELECT id FROM contact WHERE workspace_id = +?1 AND id = {target}) AS target"
        ),
        values![workspace, contact, into],
    )
}

/// Takes the last merge of a contact back: it gets again what it brought along, as far as the
/// other still has it. Done twice, the second finds no merge that stands.
pub fn unmerge(workspace: WorkspaceId, contact: ContactId, now: Timestamp) -> Vec<Statement> {
    let of = || values![workspace, contact];
    let survivor = format!("(SELECT g.into_id FROM {STANDING})");
    vec![
        Statement::new(
            format!(
                "INSERT INTO contact (workspace_id, id, name, metadata, created_at)
                 SELECT g.workspace_id, g.contact_id, g.name, g.metadata, g.created_at FROM {STANDING}
                 ON CONFLICT DO NOTHING"
            ),
            of(),
        ),
        Statement::new(
            "UPDATE identity SET contact_id = ?2 WHERE (workspace_id, kind, value) IN (
               SELECT i.workspace_id, i.kind, i.value FROM contact_merge g
               CROSS JOIN json_each(g.moved, '$.identities') n
               CROSS JOIN identity i ON i.workspace_id = g.workspace_id AND i.kind = n.value ->> '$.kind'
                 AND i.value = n.value ->> '$.value' AND i.contact_id = g.into_id
               WHERE g.workspace_id = +?1 AND g.contact_id = +?2 AND g.undone_at IS NULL)",
            of(),
        ),
        Statement::new(
            "UPDATE conversation SET contact_id = ?2 WHERE (workspace_id, id) IN (
               SELECT c.workspace_id, c.id FROM contact_merge g
               CROSS JOIN json_each(g.moved, '$.conversations') n
               CROSS JOIN conversation c ON c.workspace_id = g.workspace_id AND c.id = n.value
                 AND c.contact_id = g.into_id
               WHERE g.workspace_id = +?1 AND g.contact_id = +?2 AND g.undone_at IS NULL)",
            of(),
        ),
        // Those begun since then at its addresses.
        Statement::new(
            "UPDATE conversation SET contact_id = ?2 WHERE (workspace_id, id) IN (
               SELECT c.workspace_id, c.id FROM contact_merge g
               CROSS JOIN conversation c INDEXED BY conversation_contact
                 ON c.workspace_id = g.workspace_id AND c.contact_id = g.into_id
               CROSS JOIN channel h ON h.id = c.channel_id
               CROSS JOIN identity i ON i.workspace_id = g.workspace_id AND i.value = c.address
                 AND i.kind = CASE h.type WHEN 'sms' THEN 'phone' WHEN 'webchat' THEN 'visitor' ELSE h.type END
                 AND i.contact_id = g.contact_id
               WHERE g.workspace_id = +?1 AND g.contact_id = +?2 AND g.undone_at IS NULL)",
            of(),
        ),
        Statement::new(
            "UPDATE contact_merge SET into_id = ?2 WHERE (workspace_id, contact_id) IN (
               SELECT x.workspace_id, x.contact_id FROM contact_merge g
               CROSS JOIN json_each(g.moved, '$.merges') n
               CROSS JOIN contact_merge x ON x.workspace_id = g.workspace_id AND x.contact_id = n.value
                 AND x.into_id = g.into_id AND x.undone_at IS NULL
               WHERE g.workspace_id = +?1 AND g.contact_id = +?2 AND g.undone_at IS NULL)",
            of(),
        ),
        // What others brought along, and is no longer there, is no longer theirs to get back.
        Statement::new(
            format!(
                "UPDATE contact_merge INDEXED BY contact_merge_into SET moved = json_set(moved, '$.identities', json((
                   SELECT json_group_array(json(n.value)) FROM json_each(contact_merge.moved, '$.identities') n
                   WHERE NOT EXISTS (SELECT 1 FROM identity i WHERE i.workspace_id = +?1
                     AND i.kind = n.value ->> '$.kind' AND i.value = n.value ->> '$.value' AND i.contact_id = +?2))))
                 WHERE workspace_id = +?1 AND into_id = {survivor} AND contact_id <> ?2 AND undone_at IS NULL"
            ),
            of(),
        ),
        Statement::new(
            "UPDATE contact SET folded = NULL, grams = NULL,
               name = CASE WHEN merged.moved ->> '$.name' AND contact.name = merged.name
                 THEN NULL ELSE contact.name END,
               metadata = CASE WHEN merged.moved ->> '$.metadata' AND contact.metadata = merged.metadata
                 THEN NULL ELSE contact.metadata END
             FROM (SELECT * FROM contact_merge WHERE workspace_id = +?1 AND contact_id = +?2
                     AND undone_at IS NULL LIMIT 1) merged
             WHERE contact.workspace_id = merged.workspace_id AND contact.id = merged.into_id",
            of(),
        ),
        Statement::new(
            format!(
                "DELETE FROM contact_search WHERE rowid IN (
                   SELECT rowid FROM contact_search WHERE contact_search MATCH COALESCE(
                     (SELECT '\"c' || replace(g.into_id, '-', '') || '\"' FROM {STANDING}), '\"\"'))"
            ),
            of(),
        ),
        Statement::new(
            "UPDATE contact_merge SET undone_at = ?3
             WHERE workspace_id = +?1 AND contact_id = +?2 AND undone_at IS NULL",
            values![workspace, contact, now],
        ),
    ]
}

/// The contact that the last merge of another was into, as `id`, whether it stands or not.
pub fn last(workspace: WorkspaceId, contact: ContactId) -> Statement {
    Statement::new(
        "SELECT into_id AS id FROM contact_merge WHERE workspace_id = +?1 AND contact_id = +?2",
        values![workspace, contact],
    )
}
