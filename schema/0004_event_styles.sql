-- What the styles of events need to know of an endpoint.

INSERT INTO schema_version (version) VALUES (4);

-- `environment` is that of the key which made the endpoint. Where a style leaves its own
-- signature to the subscriber, `requires_signature` says whether one is wanted.
ALTER TABLE endpoint ADD COLUMN environment TEXT NOT NULL DEFAULT 'live';
ALTER TABLE endpoint ADD COLUMN requires_signature INTEGER NOT NULL DEFAULT 1;
