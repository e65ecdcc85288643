//! Workspaces and API keys.

use super::{Statement, values};
use crate::model::access::{Environment, Scope};
use crate::model::id::{KeyId, WorkspaceId};
use crate::model::time::{DAY_MS, Timestamp};

/// The newest migration that is in.
pub fn schema_version() -> Statement {
    Statement::new("SELECT MAX(version) AS version FROM schema_version", vec![])
}

pub fn create_workspace(id: WorkspaceId, name: &str, now: Timestamp) -> Statement {
    Statement::new(
        "INSERT INTO workspace (id, name, created_at) VALUES (?1, ?2, ?3)
         ON CONFLICT DO NOTHING",
        values![id, name, now],
    )
}

/// One workspace as `{id, name, created_at}`.
pub fn workspace(id: WorkspaceId) -> Statement {
    Statement::new(
        "SELECT id, name, created_at FROM workspace WHERE id = +?1 AND deleted_at IS NULL",
        values![id],
    )
}

/// A page of workspaces, oldest first, after an id.
pub fn list_workspaces(after: &str, limit: i64) -> Statement {
    Statement::new(
        "SELECT id, name, created_at FROM workspace
         WHERE id > ?1 AND deleted_at IS NULL ORDER BY id LIMIT +?2",
        values![after, limit],
    )
}

/// Ends a workspace: its keys, channels and endpoints stop at once. What it stored
/// goes with the sweep. The first statement gives back its id if it was living.
pub fn delete_workspace(id: WorkspaceId, now: Timestamp) -> Vec<Statement> {
    vec![
        Statement::new(
            "UPDATE workspace SET deleted_at = ?2
             WHERE id = +?1 AND (deleted_at IS NULL OR deleted_at = +?2) RETURNING id",
            values![id, now],
        ),
        Statement::new(
            "UPDATE api_key SET revoked_at = ?2 WHERE workspace_id = +?1 AND revoked_at IS NULL",
            values![id, now],
        ),
        Statement::new(
            "UPDATE channel SET deleted_at = ?2, status = 'disabled', credentials = NULL, version = version + 1
             WHERE workspace_id = +?1 AND (deleted_at IS NULL OR deleted_at = +?2) RETURNING id",
            values![id, now],
        ),
        Statement::new(
            "UPDATE endpoint SET status = 'deleted', deleted_at = ?2, secret = '', old_secret = NULL, headers = '{}', url = ''
             WHERE workspace_id = +?1 AND deleted_at IS NULL",
            values![id, now],
        ),
    ]
}

pub struct NewKey<'a> {
    pub id: KeyId,
    pub workspace_id: WorkspaceId,
    pub hash: String,
    pub name: &'a str,
    pub prefix: &'a str,
    pub scopes: &'a [Scope],
    pub environment: Environment,
    pub expires_at: Option<Timestamp>,
}

/// Stores a key where its workspace exists; gives back its id if so.
pub fn create_key(key: &NewKey<'_>, now: Timestamp) -> Statement {
    Statement::new(
        "INSERT INTO api_key (id, workspace_id, hash, name, prefix, scopes, environment, created_at, expires_at)
         SELECT ?1, w.id, ?3, ?4, ?5, ?6, ?7, ?8, ?9 FROM workspace w
         WHERE w.id = +?2 AND w.deleted_at IS NULL
         ON CONFLICT (id) DO UPDATE SET name = excluded.name
         RETURNING id",
        values![
            key.id,
            key.workspace_id,
            key.hash.clone(),
            key.name,
            key.prefix,
            serde_json::json!(key.scopes),
            key.environment.name(),
            now,
            key.expires_at,
        ],
    )
}

/// A page of a workspace's living keys, as `KeyRecord`, oldest first, after an id.
pub fn list_keys(workspace: WorkspaceId, after: &str, limit: i64) -> Statement {
    Statement::new(
        "SELECT json_object('id', id, 'name', name, 'prefix', prefix, 'scopes', json(scopes),
           'environment', environment, 'expires_at', expires_at, 'created_at', created_at) AS record
         FROM api_key INDEXED BY api_key_living
         WHERE workspace_id = +?1 AND id > ?2 AND revoked_at IS NULL
         ORDER BY id LIMIT +?3",
        values![workspace, after, limit],
    )
}

/// Ends a key; gives back the hash of its secret, for it to be forgotten. Run again at
/// the same moment, it gives the same answer.
pub fn revoke_key(workspace: WorkspaceId, id: KeyId, now: Timestamp) -> Statement {
    Statement::new(
        "UPDATE api_key SET revoked_at = ?3
         WHERE workspace_id = +?1 AND id = +?2 AND (revoked_at IS NULL OR revoked_at = +?3)
         RETURNING hash",
        values![workspace, id, now],
    )
}

/// The living key with this hash, as the columns of `Key`.
pub fn key_by_hash(hash: &str) -> Statement {
    Statement::new(
        "SELECT id, workspace_id, json(scopes) AS scopes, environment, expires_at AS expires_at_ms
         FROM api_key WHERE hash = +?1 AND revoked_at IS NULL",
        values![hash],
    )
}

/// One row if the key may still be used; rides in the batch of whatever it guards.
pub fn key_is_live(id: KeyId, now: Timestamp) -> Statement {
    Statement::new(
        "SELECT 1 AS live FROM api_key
         WHERE id = +?1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > ?2)",
        values![id, now],
    )
}

/// Whether an idempotency row `d` may be of a key that lives at the moment bound as `now`:
/// of that day or the one before. (Numbers are bound as doubles, hence the cast.)
pub(super) fn living_days(now: &str) -> String {
    format!("d.day IN (CAST({now} / {DAY_MS} AS INTEGER), CAST({now} / {DAY_MS} AS INTEGER) - 1)")
}
