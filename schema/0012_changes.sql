-- What becomes of a message after it was sent: edits, deletions and reactions.

INSERT INTO schema_version (version) VALUES (12);

-- A change that a provider told of. `key` tells it from any other of the same message, so a
-- repeat is none. It waits, and is looked at again at `due_at`, until its message is known.
CREATE TABLE change (
  channel_id TEXT NOT NULL,
  provider_message_id TEXT NOT NULL,
  key TEXT NOT NULL,
  workspace_id TEXT NOT NULL,
  type TEXT NOT NULL,
  content TEXT,
  at INTEGER NOT NULL,
  event_id TEXT NOT NULL,
  due_at INTEGER,
  created_at INTEGER NOT NULL,
  PRIMARY KEY (channel_id, provider_message_id, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX change_workspace ON change (workspace_id);
CREATE INDEX change_created ON change (created_at);
CREATE INDEX change_due ON change (due_at) WHERE due_at IS NOT NULL;

ALTER TABLE message ADD COLUMN edited_at INTEGER;
ALTER TABLE message ADD COLUMN deleted_at INTEGER;

-- Set once the message that it came with was deleted: nobody gets it any more.
ALTER TABLE media ADD COLUMN withdrawn_at INTEGER;

DROP VIEW message_record;
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
    'metadata', json(m.metadata), 'seq', m.seq, 'adapted', json(m.adapted),
    'times', json_object(
      'scheduled_at', m.scheduled_at, 'expires_at', m.expires_at, 'created_at', m.created_at,
      'sending_at', m.sending_at, 'unknown_at', m.unknown_at, 'sent_at', m.sent_at,
      'delivered_at', m.delivered_at, 'read_at', m.read_at, 'failed_at', m.failed_at,
      'expired_at', m.expired_at, 'edited_at', m.edited_at, 'deleted_at', m.deleted_at
    )
  ) AS record
FROM message m
CROSS JOIN channel h ON h.id = m.channel_id;
