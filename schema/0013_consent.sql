-- Who asked not to be written to.

INSERT INTO schema_version (version) VALUES (13);

-- `opted_out_at` while somebody wants no messages; `consent_at` when that was last said,
-- either way, so that what is told late changes nothing.
ALTER TABLE conversation ADD COLUMN opted_out_at INTEGER;
ALTER TABLE conversation ADD COLUMN consent_at INTEGER;

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
CROSS JOIN contact p ON p.workspace_id = c.workspace_id AND p.id = c.contact_id;
