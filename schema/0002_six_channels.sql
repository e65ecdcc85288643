-- What six channels and five surfaces need beside the first two.

INSERT INTO schema_version (version) VALUES (2);

-- `account` is what the provider calls the channel in its webhooks: one Meta app posts
-- for all its accounts to one URL. `public_key` names a web chat to its visitors.
ALTER TABLE channel ADD COLUMN account TEXT;
ALTER TABLE channel ADD COLUMN public_key TEXT;
CREATE INDEX channel_account ON channel (workspace_id, account, type) WHERE account IS NOT NULL AND deleted_at IS NULL;
CREATE UNIQUE INDEX channel_public_key ON channel (public_key) WHERE public_key IS NOT NULL;

-- A text that the provider approved. Its key is one template's of a channel, in as
-- many languages as it has. `version` grows with every change; a row that the
-- provider no longer lists has the status DELETED.
CREATE TABLE template (
  workspace_id TEXT NOT NULL REFERENCES workspace (id) DEFERRABLE INITIALLY DEFERRED,
  id TEXT NOT NULL,
  channel_id TEXT NOT NULL REFERENCES channel (id) DEFERRABLE INITIALLY DEFERRED,
  provider_id TEXT NOT NULL,
  key TEXT NOT NULL,
  name TEXT NOT NULL,
  language TEXT NOT NULL,
  category TEXT NOT NULL,
  status TEXT NOT NULL,
  components TEXT NOT NULL,
  variables TEXT NOT NULL,
  version INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  PRIMARY KEY (workspace_id, id)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX template_name ON template (channel_id, name, language);
CREATE UNIQUE INDEX template_key ON template (workspace_id, key, channel_id, language);
CREATE INDEX template_by_name ON template (workspace_id, name);

-- Someone who writes on a web chat. The token is found by its SHA-256, and stored nowhere.
-- `user_id` is the person the site says it is; the same person is the same visitor.
CREATE TABLE visitor (
  workspace_id TEXT NOT NULL,
  channel_id TEXT NOT NULL REFERENCES channel (id) DEFERRABLE INITIALLY DEFERRED,
  id TEXT NOT NULL,
  user_id TEXT,
  token_hash TEXT NOT NULL UNIQUE,
  conversation_id TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  last_seen_at INTEGER NOT NULL,
  PRIMARY KEY (channel_id, id)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX visitor_user ON visitor (channel_id, user_id) WHERE user_id IS NOT NULL;
CREATE INDEX visitor_workspace ON visitor (workspace_id);
