-- Everything is keyed by workspace first, so that a workspace can live in any
-- database. Times are Unix milliseconds. Foreign keys are checked at commit.

-- The newest migration that is in; /healthz compares it with what the code needs.
CREATE TABLE schema_version (version INTEGER PRIMARY KEY) STRICT;
INSERT INTO schema_version (version) VALUES (1);

-- A tenant. A deleted one keeps its row until the sweep has cleared all it had.
CREATE TABLE workspace (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  deleted_at INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX workspace_deleted ON workspace (deleted_at) WHERE deleted_at IS NOT NULL;

-- A key is found by the SHA-256 of its secret, which itself is stored nowhere.
CREATE TABLE api_key (
  id TEXT PRIMARY KEY,
  workspace_id TEXT NOT NULL REFERENCES workspace (id) DEFERRABLE INITIALLY DEFERRED,
  hash TEXT NOT NULL UNIQUE,
  name TEXT NOT NULL,
  prefix TEXT NOT NULL,
  scopes TEXT NOT NULL,
  environment TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  expires_at INTEGER,
  revoked_at INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX api_key_workspace ON api_key (workspace_id, id);

-- One connected sender. `match_key` is the identifier as it is compared; among
-- living channels it is unique per type. `version` grows with every change.
-- A deleted channel keeps its row, without credentials, for its history.
CREATE TABLE channel (
  id TEXT PRIMARY KEY,
  workspace_id TEXT NOT NULL REFERENCES workspace (id) DEFERRABLE INITIALLY DEFERRED,
  type TEXT NOT NULL,
  name TEXT NOT NULL,
  identifier TEXT NOT NULL,
  match_key TEXT NOT NULL,
  status TEXT NOT NULL,
  settings TEXT NOT NULL,
  credentials TEXT,
  version INTEGER NOT NULL,
  last_inbound_at INTEGER,
  last_error_code TEXT,
  last_error_at INTEGER,
  created_at INTEGER NOT NULL,
  deleted_at INTEGER
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX channel_identifier ON channel (workspace_id, match_key, type) WHERE deleted_at IS NULL;
CREATE INDEX channel_workspace ON channel (workspace_id, id);

-- A person.
CREATE TABLE contact (
  workspace_id TEXT NOT NULL REFERENCES workspace (id) DEFERRABLE INITIALLY DEFERRED,
  id TEXT NOT NULL,
  name TEXT,
  metadata TEXT,
  created_at INTEGER NOT NULL,
  PRIMARY KEY (workspace_id, id)
) STRICT, WITHOUT ROWID;

-- One way a person is known; an address belongs to one contact.
CREATE TABLE identity (
  workspace_id TEXT NOT NULL,
  kind TEXT NOT NULL,
  value TEXT NOT NULL,
  contact_id TEXT NOT NULL,
  PRIMARY KEY (workspace_id, kind, value),
  FOREIGN KEY (workspace_id, contact_id) REFERENCES contact (workspace_id, id) DEFERRABLE INITIALLY DEFERRED
) STRICT, WITHOUT ROWID;
CREATE INDEX identity_contact ON identity (workspace_id, contact_id);

-- A contact on a channel: one per address, for ever. `last_seq` is the highest
-- `seq` among its messages. (No foreign key to the contact, which may be inserted
-- after it: SQLite would look for such children through the whole workspace.)
CREATE TABLE conversation (
  workspace_id TEXT NOT NULL,
  id TEXT NOT NULL,
  channel_id TEXT NOT NULL REFERENCES channel (id) DEFERRABLE INITIALLY DEFERRED,
  contact_id TEXT NOT NULL,
  address TEXT NOT NULL,
  status TEXT NOT NULL,
  mode TEXT NOT NULL,
  assignee TEXT,
  unread_count INTEGER NOT NULL,
  last_seq INTEGER NOT NULL,
  last_inbound_at INTEGER,
  last_outbound_at INTEGER,
  last_activity_at INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  PRIMARY KEY (workspace_id, id)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX conversation_address ON conversation (channel_id, address);
CREATE INDEX conversation_recent ON conversation (workspace_id, last_activity_at, id);
CREATE INDEX conversation_contact ON conversation (workspace_id, contact_id, id);

-- A message. `seq` orders a conversation. An unsent outbound message has
-- `turn` (= seq) and `due_at`; both are NULL at every end, so their indexes stay
-- as small as what is still to be sent. Only the lowest turn of a conversation
-- may be claimed. `claim` names who changed the row last. (No foreign key
-- either: its conversation is inserted after it.)
CREATE TABLE message (
  workspace_id TEXT NOT NULL,
  id TEXT NOT NULL,
  conversation_id TEXT NOT NULL,
  channel_id TEXT NOT NULL,
  contact_id TEXT NOT NULL,
  direction TEXT NOT NULL,
  status TEXT NOT NULL,
  content TEXT NOT NULL,
  actor TEXT,
  reply_to TEXT,
  metadata TEXT,
  client_message_id TEXT,
  fingerprint TEXT,
  provider_message_id TEXT,
  error_code TEXT,
  error_message TEXT,
  error_provider_code TEXT,
  seq INTEGER NOT NULL,
  turn INTEGER,
  due_at INTEGER,
  attempt INTEGER NOT NULL DEFAULT 0,
  claim TEXT,
  lease_until INTEGER,
  pushed_at INTEGER,
  scheduled_at INTEGER,
  expires_at INTEGER,
  created_at INTEGER NOT NULL,
  sending_at INTEGER,
  unknown_at INTEGER,
  sent_at INTEGER,
  delivered_at INTEGER,
  read_at INTEGER,
  failed_at INTEGER,
  expired_at INTEGER,
  PRIMARY KEY (workspace_id, id)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX message_order ON message (conversation_id, seq);
CREATE INDEX message_turn ON message (conversation_id, turn) WHERE turn IS NOT NULL;
CREATE INDEX message_due ON message (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX message_lease ON message (lease_until) WHERE lease_until IS NOT NULL;
CREATE UNIQUE INDEX message_provider_id ON message (channel_id, provider_message_id) WHERE provider_message_id IS NOT NULL;
CREATE UNIQUE INDEX message_client_id ON message (workspace_id, client_message_id) WHERE client_message_id IS NOT NULL;

-- One call to a provider and what came of it.
CREATE TABLE attempt (
  workspace_id TEXT NOT NULL,
  message_id TEXT NOT NULL,
  number INTEGER NOT NULL,
  outcome TEXT NOT NULL,
  provider_code TEXT,
  detail TEXT,
  started_at INTEGER NOT NULL,
  ended_at INTEGER NOT NULL,
  PRIMARY KEY (workspace_id, message_id, number)
) STRICT, WITHOUT ROWID;

-- Which message a client's key made. Its rowid grows with time, which is what
-- the purge goes by; a row older than a day counts as absent.
CREATE TABLE idempotency (
  workspace_id TEXT NOT NULL,
  scope TEXT NOT NULL,
  fingerprint TEXT NOT NULL,
  message_id TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  UNIQUE (workspace_id, scope)
) STRICT;

-- A status report whose message is not known yet. `known_at` is set in the
-- transaction that makes the message known; what has it is still to be applied.
CREATE TABLE parked_report (
  workspace_id TEXT NOT NULL,
  channel_id TEXT NOT NULL,
  provider_message_id TEXT NOT NULL,
  status TEXT NOT NULL,
  at INTEGER NOT NULL,
  error_code TEXT,
  error_message TEXT,
  error_provider_code TEXT,
  parked_at INTEGER NOT NULL,
  known_at INTEGER,
  UNIQUE (channel_id, provider_message_id, status)
) STRICT;
CREATE INDEX parked_report_workspace ON parked_report (workspace_id);
CREATE INDEX parked_report_known ON parked_report (known_at) WHERE known_at IS NOT NULL;

-- A subscriber. A deleted one keeps its row, without its secret, until its
-- deliveries are gone.
CREATE TABLE endpoint (
  workspace_id TEXT NOT NULL REFERENCES workspace (id) DEFERRABLE INITIALLY DEFERRED,
  id TEXT NOT NULL,
  channel_id TEXT,
  url TEXT NOT NULL,
  events TEXT NOT NULL,
  style TEXT NOT NULL,
  headers TEXT NOT NULL,
  status TEXT NOT NULL,
  secret TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  deleted_at INTEGER,
  PRIMARY KEY (workspace_id, id)
) STRICT, WITHOUT ROWID;

-- What happened, with a snapshot taken in the same transaction. `subject` is the
-- message or conversation it is about, or the event itself where it may recur.
CREATE TABLE event (
  workspace_id TEXT NOT NULL,
  subject TEXT NOT NULL,
  type TEXT NOT NULL,
  id TEXT NOT NULL,
  channel_id TEXT,
  data TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  PRIMARY KEY (workspace_id, subject, type)
) STRICT, WITHOUT ROWID;

-- One event on its way to one endpoint. The row is the truth: `due_at` is NULL
-- once it is delivered or given up.
CREATE TABLE delivery (
  workspace_id TEXT NOT NULL,
  endpoint_id TEXT NOT NULL,
  event_id TEXT NOT NULL,
  subject TEXT NOT NULL,
  type TEXT NOT NULL,
  status TEXT NOT NULL,
  attempt INTEGER NOT NULL DEFAULT 0,
  due_at INTEGER,
  pushed_at INTEGER,
  claim TEXT,
  lease_until INTEGER,
  response_status INTEGER,
  response_detail TEXT,
  ended_at INTEGER,
  created_at INTEGER NOT NULL,
  PRIMARY KEY (endpoint_id, event_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX delivery_due ON delivery (due_at) WHERE due_at IS NOT NULL;

-- A message in the form the API and the events read it. (D1 allows a function
-- 32 arguments, hence the nesting; CROSS JOIN keeps the order of the search.)
CREATE VIEW message_record AS
SELECT
  m.workspace_id, m.id, m.conversation_id, m.channel_id, m.seq, m.status, m.created_at,
  json_object(
    'id', m.id, 'conversation_id', m.conversation_id, 'channel_id', m.channel_id,
    'channel_type', h.type, 'contact_id', m.contact_id, 'direction', m.direction,
    'status', m.status, 'content', json(m.content), 'reply_to', m.reply_to,
    'provider_message_id', m.provider_message_id,
    'error', json_object(
      'code', m.error_code, 'message', m.error_message, 'provider_code', m.error_provider_code
    ),
    'metadata', json(m.metadata), 'seq', m.seq,
    'times', json_object(
      'scheduled_at', m.scheduled_at, 'expires_at', m.expires_at, 'created_at', m.created_at,
      'sending_at', m.sending_at, 'unknown_at', m.unknown_at, 'sent_at', m.sent_at,
      'delivered_at', m.delivered_at, 'read_at', m.read_at, 'failed_at', m.failed_at,
      'expired_at', m.expired_at
    )
  ) AS record
FROM message m
CROSS JOIN channel h ON h.id = m.channel_id;

-- A conversation with its contact.
CREATE VIEW conversation_record AS
SELECT
  c.workspace_id, c.id, c.channel_id, c.contact_id, c.status, c.mode, c.assignee, c.last_activity_at,
  json_object(
    'id', c.id, 'channel_id', c.channel_id, 'channel_type', h.type, 'contact_id', c.contact_id,
    'contact_name', p.name, 'address', c.address, 'status', c.status, 'mode', c.mode,
    'assignee', c.assignee, 'unread_count', c.unread_count,
    'enforce_window', COALESCE(json_extract(h.settings, '$.enforceWindow'), 1),
    'last_inbound_at', c.last_inbound_at, 'last_outbound_at', c.last_outbound_at,
    'last_activity_at', c.last_activity_at, 'created_at', c.created_at
  ) AS record,
  json_object('id', h.id, 'type', h.type, 'name', h.name, 'identifier', h.identifier) AS channel
FROM conversation c
CROSS JOIN channel h ON h.id = c.channel_id
CROSS JOIN contact p ON p.workspace_id = c.workspace_id AND p.id = c.contact_id;
