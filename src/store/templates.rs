//! Message templates, as last read from the provider.

use super::events;
use super::inbound::Receiver;
use super::{SCAN, Statement, values};
use crate::model::id::{ChannelId, EventId, TemplateId, WorkspaceId};
use crate::model::template::{TemplateRecord, TemplateRef};
use crate::model::time::Timestamp;
use serde::Serialize;

/// Columns of `TemplateRecord`.
const RECORD: &str = "json_object('id', t.id, 'channel_id', t.channel_id, 'key', t.key, 'name', t.name,
    'language', t.language, 'category', t.category, 'status', t.status, 'components', json(t.components),
    'variables', json(t.variables), 'version', t.version, 'created_at', t.created_at) AS record";

/// Most rows of `wanted`.
pub const MOST_WANTED: usize = 100;

/// The templates of the workspace of a key (by its hash) that a reference may mean, on
/// whatever channel and in all their languages; `MOST_WANTED` at most. (The index is named,
/// here and below, or SQLite would walk the workspace.)
pub fn wanted(key_hash: &str, template: &TemplateRef) -> Statement {
    let (index, by, text) = match template {
        TemplateRef::Id(id) => ("", "t.id = +?2", id.to_string()),
        TemplateRef::Key { key, .. } => ("INDEXED BY template_key", "t.key = +?2", key.clone()),
        TemplateRef::Name { name, .. } => {
            ("INDEXED BY template_by_name", "t.name = +?2", name.clone())
        }
    };
    Statement::new(
        format!(
            "SELECT {RECORD} FROM template t {index}
             WHERE t.workspace_id = (SELECT workspace_id FROM api_key WHERE hash = +?1)
               AND {by} AND t.status <> 'DELETED'
             ORDER BY t.id LIMIT {MOST_WANTED}"
        ),
        values![key_hash, text],
    )
}

/// Of those, one channel's.
pub fn wanted_of(workspace: WorkspaceId, channel: ChannelId, template: &TemplateRef) -> Statement {
    let (index, by, text) = match template {
        TemplateRef::Id(id) => ("", "t.id = +?3", id.to_string()),
        TemplateRef::Key { key, .. } => ("INDEXED BY template_key", "t.key = +?3", key.clone()),
        TemplateRef::Name { name, .. } => {
            ("INDEXED BY template_name", "t.name = +?3", name.clone())
        }
    };
    Statement::new(
        format!(
            "SELECT {RECORD} FROM template t {index}
             WHERE t.workspace_id = +?1 AND t.channel_id = +?2 AND {by} AND t.status <> 'DELETED'
             ORDER BY t.id LIMIT 500"
        ),
        values![workspace, channel, text],
    )
}

pub fn get(workspace: WorkspaceId, id: TemplateId) -> Statement {
    Statement::new(
        format!(
            "SELECT {RECORD} FROM template t WHERE t.workspace_id = +?1 AND t.id = +?2 AND t.status <> 'DELETED'"
        ),
        values![workspace, id],
    )
}

/// The same by name and language, on a channel.
pub fn in_language(
    workspace: WorkspaceId,
    channel: ChannelId,
    name: &str,
    language: &str,
) -> Statement {
    Statement::new(
        format!(
            "SELECT {RECORD} FROM template t INDEXED BY template_name
             WHERE t.channel_id = +?2 AND t.name = +?3 AND t.language = +?4 AND t.workspace_id = +?1
               AND t.status <> 'DELETED'"
        ),
        values![workspace, channel, name, language],
    )
}

/// What the provider calls a template: `provider_id`.
pub fn provider_id(workspace: WorkspaceId, id: TemplateId) -> Statement {
    Statement::new(
        "SELECT provider_id FROM template WHERE workspace_id = +?1 AND id = +?2",
        values![workspace, id],
    )
}

/// A page of templates, oldest first, after an id; of one channel's, those among the next
/// `SCAN` rows.
pub fn list(
    workspace: WorkspaceId,
    channel: Option<ChannelId>,
    after: &str,
    limit: i64,
) -> Statement {
    Statement::new(
        format!(
            "SELECT {RECORD} FROM (
               SELECT workspace_id, id FROM template WHERE workspace_id = +?1 AND id > ?2 ORDER BY id LIMIT +?5
             ) page CROSS JOIN template t ON t.workspace_id = page.workspace_id AND t.id = page.id
             WHERE (?3 IS NULL OR t.channel_id = +?3) AND t.status <> 'DELETED'
             ORDER BY page.id LIMIT +?4"
        ),
        values![workspace, after, channel, limit, SCAN],
    )
}

/// The last id that a page looks at, if there are as many.
pub fn scan_end(workspace: WorkspaceId, after: &str) -> Statement {
    Statement::new(
        "SELECT id FROM template WHERE workspace_id = +?1 AND id > ?2
         ORDER BY id LIMIT 1 OFFSET +?3",
        values![workspace, after, SCAN - 1],
    )
}

/// The templates of a channel by name and language, at most `limit`, among the first
/// `SCAN` rows.
pub fn living_of_channel(workspace: WorkspaceId, channel: ChannelId, limit: i64) -> Statement {
    Statement::new(
        format!(
            "SELECT {RECORD} FROM (
               SELECT workspace_id, id, name, language FROM template
               WHERE channel_id = +?2 AND name > '' AND workspace_id = +?1 ORDER BY name, language LIMIT +?4
             ) page CROSS JOIN template t ON t.workspace_id = page.workspace_id AND t.id = page.id
             WHERE t.status <> 'DELETED' ORDER BY page.name, page.language LIMIT +?3"
        ),
        values![workspace, channel, limit, SCAN],
    )
}

/// All templates of a channel, the deleted too; also `provider_id`.
pub fn of_channel(channel: ChannelId) -> Statement {
    Statement::new(
        format!("SELECT t.provider_id, {RECORD} FROM template t WHERE t.channel_id = +?1"),
        values![channel],
    )
}

/// Notes that the provider no longer has these templates, and tells of it; the second
/// statement gives back deliveries. Their rows stay: messages name them, and they may come
/// back.
pub fn remove(
    workspace: WorkspaceId,
    ids: &[TemplateId],
    event: EventId,
    now: Timestamp,
) -> [Statement; 3] {
    let ids = serde_json::json!(ids);
    let [told, fanned] = events::of_templates(
        "SELECT t.*, 'DELETED' AS new_status, t.category AS new_category, ?3 AS event_id
         FROM json_each(?2) n CROSS JOIN template t ON t.workspace_id = +?1 AND t.id = n.value
         WHERE t.status <> 'DELETED'",
        4,
        values![workspace, ids.clone(), event, now],
    );
    [
        told,
        fanned,
        Statement::new(
            "UPDATE template SET status = 'DELETED', version = version + 1
             WHERE workspace_id = +?1 AND id IN (SELECT value FROM json_each(?2)) AND status <> 'DELETED'",
            values![workspace, ids],
        ),
    ]
}

/// The same of one template on every channel that has it: channels may share an account.
pub fn remove_of_provider(workspace: WorkspaceId, name: &str, provider_id: &str) -> Statement {
    Statement::new(
        "UPDATE template INDEXED BY template_by_name SET status = 'DELETED', version = version + 1
         WHERE workspace_id = +?1 AND name = +?2 AND provider_id = +?3 AND status <> 'DELETED'",
        values![workspace, name, provider_id],
    )
}

/// What the provider tells of a template; what it does not tell stays.
#[derive(Serialize)]
pub struct Reported {
    pub provider_id: String,
    pub name: String,
    pub status: Option<String>,
    pub category: Option<String>,
    pub event: String,
}

/// Takes in what the provider tells of templates, each at most once, on whatever channel of
/// the workspace has them, and tells of it; and has those of its accounts read at the next
/// sweep. What is told again changes nothing. The second statement gives back deliveries.
pub fn reported(
    receiver: Receiver,
    reported: &[Reported],
    accounts: &[String],
    now: Timestamp,
) -> [Statement; 4] {
    let (workspace, channel) = (receiver.workspace_id, receiver.channel_id);
    let is_current = receiver.is_current();
    let reported = serde_json::json!(reported);
    // The limit keeps SQLite from looking for the reports of each template.
    let changed = format!(
        "SELECT * FROM (
           SELECT t.*, COALESCE(n.value ->> '$.status', t.status) AS new_status,
             COALESCE(n.value ->> '$.category', t.category) AS new_category, n.value ->> '$.event' AS event_id
           FROM json_each(?3) n
           CROSS JOIN template t INDEXED BY template_by_name
             ON t.workspace_id = +?1 AND t.name = n.value ->> '$.name'
           WHERE t.provider_id = n.value ->> '$.provider_id' AND t.status <> 'DELETED'
             AND {is_current} LIMIT 1000000
         ) told WHERE told.new_status <> told.status OR told.new_category <> told.category"
    );
    let [told, fanned] = events::of_templates(
        &changed,
        4,
        values![workspace, channel, reported.clone(), now],
    );
    [
        told,
        fanned,
        Statement::new(
            format!(
                "UPDATE template SET status = told.new_status, category = told.new_category,
                   version = template.version + 1
                 FROM ({changed} LIMIT 1000000) told
                 WHERE template.workspace_id = told.workspace_id AND template.id = told.id"
            ),
            values![workspace, channel, reported],
        ),
        Statement::new(
            format!(
                "UPDATE channel INDEXED BY channel_templates_account SET templates_due_at = 0
                 WHERE workspace_id = +?1 AND templates_account IN (SELECT value FROM json_each(?3))
                   AND templates_account IS NOT NULL AND deleted_at IS NULL AND templates_due_at > 0
                   AND {is_current}"
            ),
            values![workspace, channel, serde_json::json!(accounts)],
        ),
    ]
}

/// The same of all templates of a channel, once it is deleted.
pub fn remove_of_deleted(workspace: WorkspaceId, channel: ChannelId) -> Statement {
    Statement::new(
        "UPDATE template INDEXED BY template_name SET status = 'DELETED', version = version + 1
         WHERE channel_id = +?2 AND workspace_id = +?1 AND status <> 'DELETED'
           AND EXISTS (SELECT 1 FROM channel WHERE id = +?2 AND workspace_id = +?1 AND deleted_at IS NOT NULL)",
        values![workspace, channel],
    )
}

/// Takes their keys from templates of a channel that are deleted in every language, for
/// others to have. What is put in the place of a key is none that a client could give.
pub fn free_keys(workspace: WorkspaceId, channel: ChannelId, keys: &[&str]) -> Statement {
    Statement::new(
        "UPDATE template INDEXED BY template_key SET key = char(127) || id
         WHERE workspace_id = +?1 AND key IN (SELECT value FROM json_each(?3)) AND channel_id = +?2
           AND NOT EXISTS (SELECT 1 FROM template o WHERE o.channel_id = +?2
             AND o.name = template.name AND o.status <> 'DELETED')",
        values![workspace, channel, serde_json::json!(keys)],
    )
}

/// A template as it is to be stored.
#[derive(Serialize)]
pub struct Put<'a> {
    /// Of the row, if there is none yet.
    pub id: TemplateId,
    pub provider_id: &'a str,
    pub key: &'a str,
    pub name: &'a str,
    pub language: &'a str,
    pub category: &'a str,
    pub status: &'a str,
    pub components: &'a [serde_json::Value],
    pub variables: &'a [String],
    /// One more than that of the row it was compared with; 1 without one. A row that
    /// changed since then is left alone.
    pub version: i64,
}

/// Whether templates `n` are still to be stored on channel `?2`: it lives, and no other
/// template has got the key meanwhile.
const IS_FREE: &str = "
    EXISTS (SELECT 1 FROM channel WHERE id = +?2 AND workspace_id = +?1 AND deleted_at IS NULL)
    AND NOT EXISTS (SELECT 1 FROM template o INDEXED BY template_key
      WHERE o.workspace_id = +?1 AND o.key = n.value ->> '$.key'
      AND o.channel_id = +?2 AND o.name <> n.value ->> '$.name')";

/// Stores templates, given as a JSON array of `Put`, and tells of those that were there and
/// mean something else now. The second statement gives back deliveries.
pub fn put(
    workspace: WorkspaceId,
    channel: ChannelId,
    json: String,
    event: EventId,
    now: Timestamp,
) -> [Statement; 3] {
    let [told, fanned] = events::of_templates(
        &format!(
            "SELECT t.*, n.value ->> '$.status' AS new_status, n.value ->> '$.category' AS new_category,
               ?5 AS event_id
             FROM json_each(?4) n
             CROSS JOIN template t INDEXED BY template_name ON t.channel_id = +?2 AND t.name = n.value ->> '$.name'
               AND t.language = n.value ->> '$.language'
             WHERE t.workspace_id = +?1 AND t.version < n.value ->> '$.version'
               AND (t.status <> n.value ->> '$.status' OR t.category <> n.value ->> '$.category'
                 OR t.components <> n.value ->> '$.components')
               AND {IS_FREE}"
        ),
        3,
        values![workspace, channel, now, json.as_str(), event],
    );
    let stored = Statement::new(
        format!("INSERT INTO template (workspace_id, id, channel_id, provider_id, key, name, language, category,
           status, components, variables, version, created_at)
         SELECT ?1, n.value ->> '$.id', ?2, n.value ->> '$.provider_id', n.value ->> '$.key',
           n.value ->> '$.name', n.value ->> '$.language', n.value ->> '$.category', n.value ->> '$.status',
           n.value ->> '$.components', n.value ->> '$.variables', n.value ->> '$.version', ?3
         FROM json_each(?4) n
         WHERE {IS_FREE}
         ON CONFLICT (channel_id, name, language) DO UPDATE SET
           provider_id = excluded.provider_id, key = excluded.key, category = excluded.category,
           status = excluded.status, components = excluded.components, variables = excluded.variables,
           version = excluded.version
         WHERE template.version < excluded.version"),
        values![workspace, channel, now, json],
    );
    [told, fanned, stored]
}

/// What a client may change of a template; `None` leaves it as it is.
pub struct Change<'a> {
    pub key: Option<&'a str>,
    pub variables: Option<&'a [String]>,
}

/// Changes a template: its key in every language, unless it is another's, and what its
/// variables are called, unless they became more or fewer.
pub fn change(
    template: &TemplateRecord,
    workspace: WorkspaceId,
    change: &Change<'_>,
) -> Vec<Statement> {
    let is_free = "NOT EXISTS (SELECT 1 FROM template o INDEXED BY template_key
             WHERE o.workspace_id = +?1 AND o.key = +?2
         AND o.channel_id = +?3 AND o.name <> ?4)";
    let mut statements = Vec::new();
    if let Some(key) = change.key {
        statements.push(free_keys(workspace, template.channel_id, &[key]));
        statements.push(Statement::new(
            format!(
                "UPDATE template INDEXED BY template_name SET key = ?2, version = version + 1
                 WHERE channel_id = +?3 AND name = +?4 AND workspace_id = +?1 AND key <> ?2 AND {is_free}"
            ),
            values![workspace, key, template.channel_id, template.name.as_str()],
        ));
    }
    if let Some(variables) = change.variables {
        statements.push(Statement::new(
            format!(
                "UPDATE template SET variables = ?6, version = version + 1
                 WHERE workspace_id = +?1 AND id = +?5 AND status <> 'DELETED' AND variables <> ?6
                   AND json_array_length(variables) = json_array_length(?6)
                   AND (?2 IS NULL OR {is_free})"
            ),
            values![
                workspace,
                change.key,
                template.channel_id,
                template.name.as_str(),
                template.id,
                serde_json::json!(variables),
            ],
        ));
    }
    statements
}
