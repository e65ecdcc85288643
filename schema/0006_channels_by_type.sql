-- Who names no sender is sent for by the channel of a type: found without walking all of a workspace's channels.

INSERT INTO schema_version (version) VALUES (6);

CREATE INDEX channel_type ON channel (workspace_id, type, id) WHERE deleted_at IS NULL;
