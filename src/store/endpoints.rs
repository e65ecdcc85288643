//! Subscribers' endpoints. Secrets arrive here already encrypted.

use super::{Statement, Value, values};
use crate::model::access::Environment;
use crate::model::event::Style;
use crate::model::id::{ChannelId, EndpointId, WorkspaceId};
use crate::model::time::Timestamp;

const RECORD: &str = "json_object('id', id, 'url', url, 'events', json(events), 'channel_id', channel_id,
    'style', style, 'headers', json(headers), 'status', status, 'created_at', created_at) AS record";

pub struct NewEndpoint<'a> {
    pub id: EndpointId,
    pub workspace_id: WorkspaceId,
    pub channel_id: Option<ChannelId>,
    pub url: &'a str,
    pub events: &'a [String],
    pub style: Style,
    /// Of the key that makes it.
    pub environment: Environment,
    pub requires_signature: bool,
    pub headers: serde_json::Value,
    pub secret: &'a str,
}

/// Stores an endpoint where its channel, if any, is the workspace's own.
pub fn create(endpoint: &NewEndpoint<'_>, now: Timestamp) -> Statement {
    Statement::new(
        format!(
            "INSERT INTO endpoint (workspace_id, id, channel_id, url, events, style, headers, status, secret, created_at,
               environment, requires_signature)
             SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, 'enabled', ?8, ?9, ?10, ?11
             WHERE ?3 IS NULL OR EXISTS (
               SELECT 1 FROM channel WHERE id = ?3 AND workspace_id = ?1 AND deleted_at IS NULL)
             ON CONFLICT (workspace_id, id) DO UPDATE SET url = excluded.url
             RETURNING {RECORD}"
        ),
        values![
            endpoint.workspace_id,
            endpoint.id,
            endpoint.channel_id,
            endpoint.url,
            serde_json::json!(endpoint.events),
            endpoint.style.name(),
            endpoint.headers.clone(),
            endpoint.secret,
            now,
            endpoint.environment.name(),
            endpoint.requires_signature,
        ],
    )
}

pub fn get(workspace: WorkspaceId, id: EndpointId) -> Statement {
    Statement::new(
        format!(
            "SELECT {RECORD} FROM endpoint
             WHERE workspace_id = ?1 AND id = ?2 AND deleted_at IS NULL"
        ),
        values![workspace, id],
    )
}

/// A page of endpoints, of one style if it is given, oldest first, after an id. (By the
/// index of those that live, or of that style.)
pub fn list(workspace: WorkspaceId, style: Option<Style>, after: &str, limit: i64) -> Statement {
    let (index, of_style) = match style {
        None => ("endpoint_living", ""),
        Some(_) => ("endpoint_style", "AND style = ?4"),
    };
    let mut values = values![workspace, after, limit];
    values.extend(style.map(|style| Value::from(style.name())));
    Statement::new(
        format!(
            "SELECT {RECORD} FROM endpoint INDEXED BY {index}
             WHERE workspace_id = ?1 AND deleted_at IS NULL AND id > ?2 {of_style}
             ORDER BY id LIMIT ?3"
        ),
        values,
    )
}

/// Deletes an endpoint, of that style if one is given; what is still due to it ends when
/// it is next looked at.
pub fn delete(
    workspace: WorkspaceId,
    id: EndpointId,
    style: Option<Style>,
    now: Timestamp,
) -> Statement {
    Statement::new(
        "UPDATE endpoint SET status = 'deleted', deleted_at = ?3, secret = '', headers = '{}', url = ''
         WHERE workspace_id = ?1 AND id = ?2 AND (deleted_at IS NULL OR deleted_at = ?3)
           AND (?4 IS NULL OR style = ?4)
         RETURNING id",
        values![workspace, id, now, style.map(Style::name)],
    )
}
