-- The visitor's side of web chat. Nothing stored visitors before: the table is made anew.

INSERT INTO schema_version (version) VALUES (5);

DROP TABLE visitor;

-- Someone who writes on a web chat; `id` is also the address of their conversation.
-- `user_id` is the person the site proved they are: on whatever device, the same visitor.
-- Outbound messages up to `read_seq` are marked as read.
CREATE TABLE visitor (
  workspace_id TEXT NOT NULL,
  channel_id TEXT NOT NULL REFERENCES channel (id) DEFERRABLE INITIALLY DEFERRED,
  id TEXT NOT NULL,
  user_id TEXT,
  conversation_id TEXT NOT NULL,
  read_seq INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  PRIMARY KEY (channel_id, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX visitor_workspace ON visitor (workspace_id);

-- What a visitor's device shows, found by its SHA-256 and stored nowhere.
CREATE TABLE visitor_token (
  hash TEXT PRIMARY KEY,
  workspace_id TEXT NOT NULL,
  channel_id TEXT NOT NULL,
  visitor_id TEXT NOT NULL,
  created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX visitor_token_visitor ON visitor_token (workspace_id, channel_id, visitor_id, created_at);
