-- Contacts by what they are called, and idempotency keys at the price of one row.

INSERT INTO schema_version (version) VALUES (3);

-- The name as it is searched: one case, single spaces. NULL is not indexed yet; a contact
-- without a name has the empty text. (What is new writes no entry of the index.)
ALTER TABLE contact ADD COLUMN folded TEXT;
CREATE INDEX contact_unindexed ON contact (workspace_id, id) WHERE folded IS NULL;

-- Nominates contacts for a search. A row holds the grams of names and addresses that a
-- contact has or had, each a hash together with the workspace, so that no list of rows is
-- longer than one workspace; and the contact's own token, by which all its rows are found.
-- Rows are only added. What a search gives is held against the contact itself.
CREATE VIRTUAL TABLE contact_search USING fts5 (
  grams, contact_id UNINDEXED,
  content = '', contentless_delete = 1, contentless_unindexed = 1, detail = none, tokenize = 'ascii'
);

-- A contact with its identities.
CREATE VIEW contact_record AS
SELECT
  p.workspace_id, p.id,
  json_object(
    'id', p.id, 'name', p.name, 'metadata', json(p.metadata), 'created_at', p.created_at,
    'identities', json((
      SELECT json_group_array(json_object('kind', o.kind, 'value', o.value)) FROM (
        SELECT i.kind, i.value FROM identity i
        WHERE i.workspace_id = p.workspace_id AND i.contact_id = p.id ORDER BY i.kind, i.value
      ) o
    ))
  ) AS record
FROM contact p;

-- What a client's key made: a message or a contact. A row older than 24 hours counts as
-- absent. `day` is that of `created_at` since 1970, by which the purge goes; a living key
-- is in one of two days.
CREATE TABLE used_key (
  day INTEGER NOT NULL,
  workspace_id TEXT NOT NULL,
  scope TEXT NOT NULL,
  fingerprint TEXT NOT NULL,
  subject_id TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  PRIMARY KEY (day, workspace_id, scope)
) STRICT, WITHOUT ROWID;
INSERT INTO used_key (day, workspace_id, scope, fingerprint, subject_id, created_at)
SELECT created_at / 86400000, workspace_id, scope, fingerprint, message_id, created_at FROM idempotency;
DROP TABLE idempotency;
ALTER TABLE used_key RENAME TO idempotency;
