-- Lists of what lives cost what they show, however much has ended or is of other kinds.

INSERT INTO schema_version (version) VALUES (7);

CREATE INDEX channel_living ON channel (workspace_id, id) WHERE deleted_at IS NULL;
CREATE INDEX api_key_living ON api_key (workspace_id, id) WHERE revoked_at IS NULL;
CREATE INDEX endpoint_living ON endpoint (workspace_id, id) WHERE deleted_at IS NULL;
CREATE INDEX endpoint_style ON endpoint (workspace_id, style, id) WHERE deleted_at IS NULL;
