-- Contacts that are one person, and people who are to be forgotten.

INSERT INTO schema_version (version) VALUES (14);

-- A contact that was merged into another. While `undone_at` is NULL it has no row of its own
-- in `contact`, nor identities or conversations, and its id stands for `into_id`, which is
-- always one that was not merged itself. `id` is that of the event. What it was called stands
-- here, and what it brought along in `moved`, as JSON: its `identities`, the ids of its
-- `conversations` and of the contacts merged into it before (`merges`), and whether the other
-- took its `name` and `metadata`.
CREATE TABLE contact_merge (
  workspace_id TEXT NOT NULL REFERENCES workspace (id) DEFERRABLE INITIALLY DEFERRED,
  contact_id TEXT NOT NULL,
  into_id TEXT NOT NULL,
  id TEXT NOT NULL,
  name TEXT,
  metadata TEXT,
  created_at INTEGER NOT NULL,
  moved TEXT NOT NULL,
  merged_at INTEGER NOT NULL,
  undone_at INTEGER,
  PRIMARY KEY (workspace_id, contact_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX contact_merge_into ON contact_merge (workspace_id, into_id);

-- What is still to be erased of a contact whose row is gone: the messages of the conversation
-- `subject` up to `seq`, and the events about `subject`, which may be the contact as well. It
-- goes once there is nothing left, and nothing on its way.
CREATE TABLE erasure (
  workspace_id TEXT NOT NULL,
  contact_id TEXT NOT NULL,
  subject TEXT NOT NULL,
  seq INTEGER NOT NULL,
  looked_at INTEGER NOT NULL,
  PRIMARY KEY (workspace_id, contact_id, subject)
) STRICT, WITHOUT ROWID;
CREATE INDEX erasure_looked ON erasure (looked_at);

-- Of an event that may recur, and so is its own subject: the conversation or contact it is
-- about.
ALTER TABLE event ADD COLUMN about TEXT;
UPDATE event SET about = data ->> '$.conversation.id' WHERE subject = id;
CREATE INDEX event_about ON event (workspace_id, about) WHERE about IS NOT NULL;

-- The contact of a conversation is gone once it was erased.
DROP VIEW conversation_record;
CREATE VIEW conversation_record AS
SELECT
  c.workspace_id, c.id, c.channel_id, c.contact_id, c.status, c.mode, c.assignee, c.last_activity_at,
  json_object(
    'id', c.id, 'channel_id', c.channel_id, 'channel_type', h.type, 'contact_id', c.contact_id,
    'contact_name', p.name, 'address', c.address, 'status', c.status, 'mode', c.mode,
    'assignee', c.assignee, 'unread_count', c.unread_count,
    'enforce_window', COALESCE(json_extract(h.settings, '$.enforceWindow'), 1),
    'last_inbound_at', c.last_inbound_at, 'last_outbound_at', c.last_outbound_at,
    'last_activity_at', c.last_activity_at, 'created_at', c.created_at,
    'opted_out_at', c.opted_out_at
  ) AS record,
  json_object('id', h.id, 'type', h.type, 'name', h.name, 'identifier', h.identifier) AS channel
FROM conversation c
CROSS JOIN channel h ON h.id = c.channel_id
LEFT JOIN contact p ON p.workspace_id = c.workspace_id AND p.id = c.contact_id;
