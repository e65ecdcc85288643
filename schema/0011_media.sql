-- Files: those that customers send, and those that clients put here to send.

INSERT INTO schema_version (version) VALUES (11);

-- A file. What a customer sent has a `reference`, by which the channel's provider gives it;
-- what a client put here has a `link`, under which a provider fetches it. `stored_at` is set
-- while the bucket holds its bytes, under `workspace_id/id`; `copy_due_at` while they are
-- still to be copied there.
CREATE TABLE media (
  workspace_id TEXT NOT NULL,
  id TEXT NOT NULL,
  channel_id TEXT,
  message_id TEXT,
  reference TEXT,
  link TEXT,
  mime_type TEXT,
  filename TEXT,
  size_bytes INTEGER,
  stored_at INTEGER,
  copy_due_at INTEGER,
  copies INTEGER NOT NULL DEFAULT 0,
  created_at INTEGER NOT NULL,
  PRIMARY KEY (workspace_id, id)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX media_link ON media (link) WHERE link IS NOT NULL;
CREATE INDEX media_copy ON media (copy_due_at) WHERE copy_due_at IS NOT NULL;
CREATE INDEX media_stored ON media (stored_at) WHERE stored_at IS NOT NULL;
CREATE INDEX media_message ON media (message_id) WHERE message_id IS NOT NULL;

-- What a provider calls a file that was uploaded to it, as long as it keeps it. `source` is
-- the SHA-256 of the address that it came from.
CREATE TABLE upload (
  channel_id TEXT NOT NULL,
  source TEXT NOT NULL,
  workspace_id TEXT NOT NULL,
  provider_id TEXT NOT NULL,
  expires_at INTEGER NOT NULL,
  PRIMARY KEY (channel_id, source)
) STRICT, WITHOUT ROWID;
CREATE INDEX upload_workspace ON upload (workspace_id);
CREATE INDEX upload_expires ON upload (expires_at);
