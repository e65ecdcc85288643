//! Message templates, as last read from the provider.

use super::{Statement, values};
use crate::model::id::{ChannelId, TemplateId, WorkspaceId};
use crate::model::template::TemplateRef;

/// Columns of `TemplateRecord`.
const RECORD: &str = "json_object('id', t.id, 'channel_id', t.channel_id, 'key', t.key, 'name', t.name,
    'language', t.language, 'category', t.category, 'status', t.status, 'components', json(t.components),
    'variables', json(t.variables), 'version', t.version, 'created_at', t.created_at) AS record";

/// The templates of the workspace of a key (by its hash) that a reference may mean, on
/// whatever channel.
pub fn wanted(key_hash: &str, template: &TemplateRef) -> Statement {
    let (by, text, language) = match template {
        TemplateRef::Id(id) => ("t.id = ?2", id.to_string(), None),
        TemplateRef::Key { key, language } => ("t.key = ?2", key.clone(), language.as_deref()),
        TemplateRef::Name { name, language } => ("t.name = ?2", name.clone(), language.as_deref()),
    };
    Statement::new(
        format!(
            "SELECT {RECORD} FROM template t
             WHERE t.workspace_id = (SELECT workspace_id FROM api_key WHERE hash = ?1)
               AND {by} AND (?3 IS NULL OR t.language = ?3) AND t.status <> 'DELETED'
             ORDER BY t.id LIMIT 500"
        ),
        values![key_hash, text, language],
    )
}

pub fn get(workspace: WorkspaceId, id: TemplateId) -> Statement {
    Statement::new(
        format!(
            "SELECT {RECORD} FROM template t WHERE t.workspace_id = ?1 AND t.id = ?2 AND t.status <> 'DELETED'"
        ),
        values![workspace, id],
    )
}

/// A page of templates, oldest first, after an id.
pub fn list(
    workspace: WorkspaceId,
    channel: Option<ChannelId>,
    after: &str,
    limit: i64,
) -> Statement {
    Statement::new(
        format!(
            "SELECT {RECORD} FROM template t
             WHERE t.workspace_id = ?1 AND t.id > ?2 AND (?3 IS NULL OR t.channel_id = ?3)
               AND t.status <> 'DELETED'
             ORDER BY t.id LIMIT ?4"
        ),
        values![workspace, after, channel, limit],
    )
}
