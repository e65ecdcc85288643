//! Who is asking, and the administrator's workspaces and first keys.

use super::{Error, Gateway, Page, Ports, next};
use crate::channel::sign::same_secret;
use crate::model::access::{Environment, Key, KeyRecord, KeySecret, Scope};
use crate::model::id::{ChannelId, KeyId, WorkspaceId};
use crate::model::json;
use crate::model::time::{self, Timestamp};
use crate::store::{self, Rows, Statement};
use serde::{Deserialize, Serialize};

/// A key to be made.
pub struct NewApiKey {
    pub name: String,
    pub scopes: Vec<Scope>,
    pub environment: Environment,
    pub expires_at: Option<Timestamp>,
}

/// A key just made: the one time its secret is shown.
pub struct IssuedKey {
    pub id: KeyId,
    pub secret: KeySecret,
    pub key: NewApiKey,
    pub created_at: Timestamp,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all(serialize = "camelCase"))]
pub struct Workspace {
    pub id: WorkspaceId,
    pub name: String,
    #[serde(deserialize_with = "time::column::deserialize")]
    pub created_at: Timestamp,
}

/// How much must be true of a key before its request begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// May be minutes old: what follows checks the key in its own batch.
    Remembered,
    /// Read from the database now.
    Now,
}

impl<P: Ports> Gateway<P> {
    /// The key of a secret.
    pub async fn authenticate(
        &self,
        secret: &KeySecret,
        freshness: Freshness,
    ) -> Result<Key, Error> {
        let now = self.now();
        let hash = secret.hash();
        if freshness == Freshness::Remembered
            && let Some(key) = self.remembered_key(&hash, now).await
        {
            return Ok(key);
        }
        let rows = self.batch(vec![store::keys::key_by_hash(&hash)]).await?;
        let key = self.learn_key(&hash, next(&mut rows.into_iter()), now)?;
        if freshness == Freshness::Remembered
            && let Ok(json) = serde_json::to_string(&key)
        {
            self.ports.cache(&format!("key:{hash}"), json).await;
        }
        Ok(key)
    }

    async fn remembered_key(&self, hash: &str, now: Timestamp) -> Option<Key> {
        if let Some(key) = self.memory.key(hash, now) {
            return (!key.is_expired(now)).then_some(key);
        }
        let cached = self.ports.cached(&format!("key:{hash}")).await?;
        let key: Key = json::parse(&cached).ok()?;
        if key.is_expired(now) {
            return None;
        }
        self.memory.keep_key(hash, key.clone(), now);
        Some(key)
    }

    /// Takes in the answer to `key_by_hash`.
    pub(super) fn learn_key(&self, hash: &str, rows: Rows, now: Timestamp) -> Result<Key, Error> {
        let mut rows = rows;
        for row in &mut rows.0 {
            unfold(row, "scopes");
        }
        let Some(key) = rows.first::<Key>()? else {
            self.memory.forget_key(hash);
            return Err(Error::InvalidKey);
        };
        if key.is_expired(now) {
            return Err(Error::ExpiredKey);
        }
        self.memory.keep_key(hash, key.clone(), now);
        Ok(key)
    }

    /// Reads, with the key checked in the same batch.
    pub(super) async fn read(
        &self,
        key: &Key,
        statements: Vec<Statement>,
    ) -> Result<std::vec::IntoIter<Rows>, Error> {
        let mut batch = vec![store::keys::key_is_live(key.id, self.now())];
        batch.extend(statements);
        let mut rows = self.batch(batch).await?.into_iter();
        if next(&mut rows).0.is_empty() {
            return Err(Error::InvalidKey);
        }
        Ok(rows)
    }

    /// Whether this is the administrator.
    #[must_use]
    pub fn is_admin(&self, token: &str) -> bool {
        same_secret(&self.config.admin_token, token)
    }

    pub async fn create_workspace(&self, name: &str) -> Result<Workspace, Error> {
        let now = self.now();
        let id: WorkspaceId = self.fresh(now);
        self.batch(vec![store::keys::create_workspace(id, name, now)])
            .await?;
        Ok(Workspace {
            id,
            name: name.to_owned(),
            created_at: now,
        })
    }

    pub async fn list_workspaces(&self, after: &str, limit: i64) -> Result<Page<Workspace>, Error> {
        let rows = self
            .batch(vec![store::keys::list_workspaces(after, limit + 1)])
            .await?;
        let found: Vec<Workspace> = next(&mut rows.into_iter()).read()?;
        Ok(Page::of(found, limit, |workspace| workspace.id.to_string()))
    }

    /// Ends a workspace and all it has.
    pub async fn delete_workspace(&self, id: WorkspaceId) -> Result<(), Error> {
        #[derive(Deserialize)]
        struct Row {
            id: ChannelId,
        }
        let statements = store::keys::delete_workspace(id, self.now());
        let mut rows = self.batch(statements).await?.into_iter();
        if next(&mut rows).0.is_empty() {
            return Err(Error::not_found("workspace"));
        }
        let channels: Vec<Row> = rows.nth(1).unwrap_or_default().read()?;
        for channel in channels {
            self.forget_channel(channel.id).await;
        }
        Ok(())
    }

    /// The key's own workspace.
    pub async fn workspace(&self, key: &Key) -> Result<Workspace, Error> {
        let mut rows = self
            .read(key, vec![store::keys::workspace(key.workspace_id)])
            .await?;
        next(&mut rows)
            .first()?
            .ok_or(Error::not_found("workspace"))
    }

    /// Makes a key in a workspace. A repeat makes another.
    pub async fn issue_key(
        &self,
        workspace_id: WorkspaceId,
        key: NewApiKey,
    ) -> Result<IssuedKey, Error> {
        let now = self.now();
        if key.expires_at.is_some_and(|at| at <= now) {
            return Err(Error::invalid("/expiresAt", "must lie in the future"));
        }
        let secret = KeySecret::fresh(key.environment, &self.random()).ok_or(Error::Internal)?;
        let id: KeyId = self.fresh(now);
        let new = store::keys::NewKey {
            id,
            workspace_id,
            hash: secret.hash(),
            name: &key.name,
            prefix: secret.prefix(),
            scopes: &key.scopes,
            environment: key.environment,
            expires_at: key.expires_at,
        };
        let rows = self.batch(vec![store::keys::create_key(&new, now)]).await?;
        if next(&mut rows.into_iter()).0.is_empty() {
            return Err(Error::not_found("workspace"));
        }
        Ok(IssuedKey {
            id,
            secret,
            key,
            created_at: now,
        })
    }

    /// Makes a key of the caller's own workspace, which may do no more than the caller.
    pub async fn issue_own_key(&self, caller: &Key, key: NewApiKey) -> Result<IssuedKey, Error> {
        if let Some(scope) = key.scopes.iter().find(|scope| !caller.may(**scope)) {
            return Err(Error::MissingScope(*scope));
        }
        self.issue_key(caller.workspace_id, key).await
    }

    pub async fn list_keys(
        &self,
        key: &Key,
        after: &str,
        limit: i64,
    ) -> Result<Page<KeyRecord>, Error> {
        let statement = store::keys::list_keys(key.workspace_id, after, limit + 1);
        let mut rows = self.read(key, vec![statement]).await?;
        let found: Vec<KeyRecord> = next(&mut rows).records()?;
        Ok(Page::of(found, limit, |record| record.id.to_string()))
    }

    /// Ends a key at once, wherever it is remembered.
    pub async fn revoke_key(&self, caller: &Key, id: KeyId) -> Result<(), Error> {
        #[derive(Deserialize)]
        struct Row {
            hash: String,
        }
        let statement = store::keys::revoke_key(caller.workspace_id, id, self.now());
        let rows = self.batch(vec![statement]).await?;
        let revoked: Option<Row> = next(&mut rows.into_iter()).first()?;
        let Row { hash } = revoked.ok_or(Error::not_found("API key"))?;
        self.memory.forget_key(&hash);
        self.ports.uncache(&format!("key:{hash}")).await;
        Ok(())
    }

    /// What is missing for the gateway to work; empty when nothing is.
    pub async fn problems(&self) -> Vec<String> {
        #[derive(Deserialize)]
        struct Row {
            version: Option<i64>,
        }
        let rows = self.batch(vec![store::keys::schema_version()]).await;
        let Ok(row) = rows.and_then(|rows| next(&mut rows.into_iter()).first::<Row>()) else {
            return vec![
                "The database does not answer, or its migrations were never applied.".to_owned(),
            ];
        };
        if row.and_then(|row| row.version) >= Some(store::SCHEMA_VERSION) {
            return vec![];
        }
        vec![format!(
            "The database is behind: apply the migrations up to {:04}.",
            store::SCHEMA_VERSION
        )]
    }
}

/// Turns a column that holds JSON as text into the JSON itself.
pub(super) fn unfold(row: &mut serde_json::Value, column: &str) {
    if let Some(value) = row.get_mut(column)
        && let Some(text) = value.as_str()
        && let Ok(json) = serde_json::from_str(text)
    {
        *value = json;
    }
}
