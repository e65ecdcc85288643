-- Every kind of content.

INSERT INTO schema_version (version) VALUES (9);

-- What was changed about a content so that its channel could carry it, as JSON with the ids
-- of the messages it became: the same in each of these. NULL where nothing was.
ALTER TABLE message ADD COLUMN adapted TEXT;

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
      'expired_at', m.expired_at
    )
  ) AS record
FROM message m
CROSS JOIN channel h ON h.id = m.channel_id;
