//! Subscribers' endpoints. Secrets arrive here already encrypted.

use super::{Statement, Value, values};
use crate::model::access::Environment;
use crate::model::event::Style;
use crate::model::id::{ChannelId, EndpointId, WorkspaceId};
use crate::model::time::{DAY_MS, Timestamp};

/// The most that a numbered list counts.
const MOST_COUNTED: i64 = 10_000;

const RECORD: &str = "json_object('id', id, 'url', url, 'events', json(events), 'channel_id', channel_id,
    'style', style, 'headers', headers, 'status', status, 'created_at', created_at,
    'updated_at', COALESCE(updated_at, created_at), 'requires_signature', requires_signature,
    'health', json_object('failing_since', failing_since, 'failures', failures, 'disabled_at', disabled_at,
      'disabled_reason', disabled_reason),
    'label', label, 'scope', scope, 'verified_at', verified_at) AS record";

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
    pub headers: &'a str,
    pub secret: &'a str,
    pub label: Option<&'a str>,
    pub scope: Option<&'a str>,
    pub verified_at: Option<Timestamp>,
}

/// Stores an endpoint where its channel, if any, is the workspace's own.
pub fn create(endpoint: &NewEndpoint<'_>, now: Timestamp) -> Statement {
    Statement::new(
        format!(
            "INSERT INTO endpoint (workspace_id, id, channel_id, url, events, style, headers, status, secret, created_at,
               environment, requires_signature, label, scope, verified_at, updated_at)
             SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, 'enabled', ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?9
             WHERE ?3 IS NULL OR EXISTS (
               SELECT 1 FROM channel WHERE id = +?3 AND workspace_id = +?1 AND deleted_at IS NULL)
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
            endpoint.headers,
            endpoint.secret,
            now,
            endpoint.environment.name(),
            endpoint.requires_signature,
            endpoint.label,
            endpoint.scope,
            endpoint.verified_at,
        ],
    )
}

/// What is to change of an endpoint; what is absent stays.
#[derive(Default)]
pub struct Change<'a> {
    pub url: Option<&'a str>,
    pub events: Option<&'a [String]>,
    /// `Some(None)`: all channels.
    pub channel_id: Option<Option<ChannelId>>,
    pub style: Option<Style>,
    pub headers: Option<&'a str>,
    pub is_enabled: Option<bool>,
    pub requires_signature: Option<bool>,
    pub label: Option<&'a str>,
    pub scope: Option<&'a str>,
    /// Where the URL changes, when it gave back its token.
    pub verified_at: Option<Timestamp>,
}

/// Changes an endpoint, where its new channel, if any, is the workspace's own. Enabled anew, it
/// is as good as new, and what waited for it is to be recovered.
pub fn update(
    workspace: WorkspaceId,
    id: EndpointId,
    change: &Change<'_>,
    now: Timestamp,
) -> Statement {
    let revived = "?9 = 1 AND status <> 'enabled'";
    let anew = |column: &str, value: &str| {
        format!("{column} = CASE WHEN {revived} THEN {value} ELSE {column} END")
    };
    let resumed = [
        ("failing_since", "NULL"),
        ("failures", "0"),
        ("disabled_at", "NULL"),
        ("disabled_reason", "NULL"),
        ("recover_after", "''"),
    ]
    .map(|(column, value)| anew(column, value))
    .join(", ");
    Statement::new(
        format!(
            "UPDATE endpoint SET url = COALESCE(?4, url), events = COALESCE(?5, events),
               channel_id = CASE WHEN ?6 = 1 THEN ?7 ELSE channel_id END, style = COALESCE(?8, style),
               {resumed},
               status = CASE WHEN ?9 = 1 THEN 'enabled' WHEN ?9 = 0 AND status = 'enabled' THEN 'paused' ELSE status END,
               headers = COALESCE(?10, headers), requires_signature = COALESCE(?11, requires_signature),
               label = COALESCE(?12, label), scope = COALESCE(?13, scope),
               verified_at = CASE WHEN ?4 IS NOT NULL THEN ?14 ELSE verified_at END, updated_at = ?3
             WHERE workspace_id = +?1 AND id = +?2 AND deleted_at IS NULL
               AND (?7 IS NULL OR EXISTS (
                 SELECT 1 FROM channel WHERE id = +?7 AND workspace_id = +?1 AND deleted_at IS NULL))
             RETURNING {RECORD}"
        ),
        values![
            workspace,
            id,
            now,
            change.url,
            change.events.map(|events| serde_json::json!(events)),
            change.channel_id.is_some(),
            change.channel_id.flatten(),
            change.style.map(Style::name),
            change.is_enabled,
            change.headers,
            change.requires_signature,
            change.label,
            change.scope,
            change.verified_at,
        ],
    )
}

/// Puts a new secret in front of the old one, which signs for a day more.
pub fn rotate(workspace: WorkspaceId, id: EndpointId, secret: &str, now: Timestamp) -> Statement {
    Statement::new(
        format!(
            "UPDATE endpoint SET old_secret = CASE WHEN secret = +?3 THEN old_secret ELSE secret END,
               old_secret_until = ?4 + {DAY_MS}, secret = ?3, updated_at = ?4
             WHERE workspace_id = +?1 AND id = +?2 AND deleted_at IS NULL
             RETURNING {RECORD}"
        ),
        values![workspace, id, secret, now],
    )
}

pub fn get(workspace: WorkspaceId, id: EndpointId) -> Statement {
    Statement::new(
        format!(
            "SELECT {RECORD} FROM endpoint
             WHERE workspace_id = +?1 AND id = +?2 AND deleted_at IS NULL"
        ),
        values![workspace, id],
    )
}

/// What calling endpoint `w` takes, as JSON.
pub(super) fn subscriber(now: &str) -> String {
    format!(
        "json_object('url', w.url, 'secret', w.secret, 'headers', w.headers, 'style', w.style,
           'environment', w.environment, 'requires_signature', w.requires_signature,
           'old_secret', CASE WHEN w.old_secret_until > {now} THEN w.old_secret END)"
    )
}

/// What calling an endpoint takes.
pub fn called(workspace: WorkspaceId, id: EndpointId, now: Timestamp) -> Statement {
    Statement::new(
        format!(
            "SELECT {} AS record FROM endpoint w WHERE workspace_id = +?1 AND id = +?2 AND deleted_at IS NULL",
            subscriber("?3")
        ),
        values![workspace, id, now],
    )
}

/// A page of endpoints, of one style if it is given, oldest first, after an id. (By the
/// index of those that live, or of that style.)
pub fn list(workspace: WorkspaceId, style: Option<Style>, after: &str, limit: i64) -> Statement {
    let (index, of_style) = match style {
        None => ("endpoint_living", ""),
        Some(_) => ("endpoint_style", "AND style = +?4"),
    };
    let mut values = values![workspace, after, limit];
    values.extend(style.map(|style| Value::from(style.name())));
    Statement::new(
        format!(
            "SELECT {RECORD} FROM endpoint INDEXED BY {index}
             WHERE workspace_id = +?1 AND deleted_at IS NULL AND id > ?2 {of_style}
             ORDER BY id LIMIT +?3"
        ),
        values,
    )
}

/// A numbered page of the endpoints of a style, oldest first: `total`, and `page` as JSON.
pub fn counted(workspace: WorkspaceId, style: Style, offset: i64, limit: i64) -> Statement {
    let own = "FROM endpoint w INDEXED BY endpoint_style
        WHERE workspace_id = +?1 AND style = +?2 AND deleted_at IS NULL";
    Statement::new(
        format!(
            "SELECT (SELECT COUNT(*) FROM (SELECT 1 {own} LIMIT {MOST_COUNTED})) AS total,
               (SELECT json_group_array(json(record)) FROM (
                 SELECT {RECORD} {own} ORDER BY id LIMIT +?4 OFFSET +?3)) AS page"
        ),
        values![workspace, style.name(), offset, limit],
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
        "UPDATE endpoint SET status = 'deleted', deleted_at = ?3, secret = '', old_secret = NULL, headers = '{}', url = '',
           recover_after = NULL
         WHERE workspace_id = +?1 AND id = +?2 AND (deleted_at IS NULL OR deleted_at = +?3)
           AND (?4 IS NULL OR style = +?4)
         RETURNING id",
        values![workspace, id, now, style.map(Style::name)],
    )
}
