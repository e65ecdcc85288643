-- Messages for later, and what becomes of sends whose outcome is unknown.

INSERT INTO schema_version (version) VALUES (17);

-- A message is `scheduled` until `scheduled_at`: without `turn` and `due_at`, and with a `seq`
-- that it gives up for the next one when it falls due (`accepted_at`). `pushed_at` is when its
-- hint comes; of several parts only the first has it. `first_scheduled_at` is set where its time
-- was changed: it is the first it had. `template_places` is how many placeholders its template had.
-- `resent_at` is when somebody had an unknown one sent again.
ALTER TABLE message ADD COLUMN first_scheduled_at INTEGER;
ALTER TABLE message ADD COLUMN accepted_at INTEGER;
ALTER TABLE message ADD COLUMN canceled_at INTEGER;
ALTER TABLE message ADD COLUMN resent_at INTEGER;
ALTER TABLE message ADD COLUMN template_places INTEGER;

-- What is scheduled: in a conversation, at all, and as it is listed.
CREATE INDEX message_scheduled ON message (conversation_id, scheduled_at) WHERE status = 'scheduled';
CREATE INDEX message_scheduled_at ON message (scheduled_at) WHERE status = 'scheduled';
CREATE INDEX message_scheduled_list ON message (workspace_id, id) WHERE status = 'scheduled';

-- A message is its conversation's contact's, whoever it was when it was written.
DROP VIEW message_record;
CREATE VIEW message_record AS
SELECT
  m.workspace_id, m.id, m.conversation_id, m.channel_id, m.seq, m.status, m.created_at,
  json_object(
    'id', m.id, 'conversation_id', m.conversation_id, 'channel_id', m.channel_id,
    'channel_type', h.type, 'contact_id', COALESCE((
      SELECT c.contact_id FROM conversation c
      WHERE c.workspace_id = m.workspace_id AND c.id = m.conversation_id), m.contact_id),
    'direction', m.direction,
    'status', m.status, 'content', json(m.content), 'reply_to', m.reply_to,
    'provider_message_id', m.provider_message_id,
    'error', json_object(
      'code', m.error_code, 'message', m.error_message, 'provider_code', m.error_provider_code
    ),
    'metadata', json(m.metadata), 'seq', m.seq, 'adapted', json(m.adapted),
    'pricing', json(m.pricing),
    'times', json_object(
      'scheduled_at', m.scheduled_at, 'first_scheduled_at', m.first_scheduled_at,
      'expires_at', m.expires_at, 'created_at', m.created_at, 'accepted_at', m.accepted_at,
      'due_at', m.due_at, 'sending_at', m.sending_at, 'unknown_at', m.unknown_at, 'sent_at', m.sent_at,
      'delivered_at', m.delivered_at, 'read_at', m.read_at, 'failed_at', m.failed_at,
      'expired_at', m.expired_at, 'canceled_at', m.canceled_at,
      'edited_at', m.edited_at, 'deleted_at', m.deleted_at
    )
  ) AS record
FROM message m
CROSS JOIN channel h ON h.id = m.channel_id;
