-- What providers tell of accounts, and what they charge for messages.

INSERT INTO schema_version (version) VALUES (15);

-- `notice_at` is when the newest notice of the account was given that says how it is: what
-- was said earlier changes nothing. `blocked_at` is set while the channel needs_reauth by
-- the word of such a notice, and not because its token is refused.
ALTER TABLE channel ADD COLUMN notice_at INTEGER;
ALTER TABLE channel ADD COLUMN blocked_at INTEGER;

-- JSON, as the provider reported it.
ALTER TABLE message ADD COLUMN pricing TEXT;
ALTER TABLE parked_report ADD COLUMN pricing TEXT;

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
      'scheduled_at', m.scheduled_at, 'expires_at', m.expires_at, 'created_at', m.created_at,
      'sending_at', m.sending_at, 'unknown_at', m.unknown_at, 'sent_at', m.sent_at,
      'delivered_at', m.delivered_at, 'read_at', m.read_at, 'failed_at', m.failed_at,
      'expired_at', m.expired_at, 'edited_at', m.edited_at, 'deleted_at', m.deleted_at
    )
  ) AS record
FROM message m
CROSS JOIN channel h ON h.id = m.channel_id;
