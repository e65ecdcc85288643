-- Deliveries that can be relied on: how endpoints are, what waits for them, what is tried anew.

INSERT INTO schema_version (version) VALUES (19);

-- `status` is enabled, paused (by its owner), disabled (by us) or deleted. `failing_since` is set
-- while its last attempt failed, and since when none succeeded; `failures` counts those, and
-- `counted_by` is the token of the batch that counted last.
-- `old_secret` signs too until `old_secret_until`. While `recover_after` is set, what waits behind
-- that event's id, and what failed of those from `recover_since` on, is made due bit by bit.
-- Of Chatt2.me's surface: `label`, `scope`, and when the URL gave back the token it was sent.
ALTER TABLE endpoint ADD COLUMN updated_at INTEGER;
ALTER TABLE endpoint ADD COLUMN failing_since INTEGER;
ALTER TABLE endpoint ADD COLUMN failures INTEGER NOT NULL DEFAULT 0;
ALTER TABLE endpoint ADD COLUMN counted_by TEXT;
ALTER TABLE endpoint ADD COLUMN disabled_at INTEGER;
ALTER TABLE endpoint ADD COLUMN disabled_reason TEXT;
ALTER TABLE endpoint ADD COLUMN old_secret TEXT;
ALTER TABLE endpoint ADD COLUMN old_secret_until INTEGER;
ALTER TABLE endpoint ADD COLUMN recover_after TEXT;
ALTER TABLE endpoint ADD COLUMN recover_since TEXT;
ALTER TABLE endpoint ADD COLUMN label TEXT;
ALTER TABLE endpoint ADD COLUMN scope TEXT;
ALTER TABLE endpoint ADD COLUMN verified_at INTEGER;
CREATE INDEX endpoint_recovering ON endpoint (recover_after) WHERE recover_after IS NOT NULL;

-- `status` is pending, delivered, failed, canceled, or waiting for an endpoint that is paused or
-- disabled. The schedule counts attempts from `first_attempt` on: a resend begins it anew.
-- A row whose endpoint is its workspace stands for all endpoints that are still to be told, those
-- behind `fan_out_after`; it goes when none is left.
ALTER TABLE delivery ADD COLUMN first_attempt INTEGER NOT NULL DEFAULT 0;
ALTER TABLE delivery ADD COLUMN attempted_at INTEGER;
ALTER TABLE delivery ADD COLUMN fan_out_after TEXT;
CREATE INDEX delivery_in_flight ON delivery (endpoint_id) WHERE lease_until IS NOT NULL;
CREATE INDEX delivery_held ON delivery (endpoint_id, event_id) WHERE due_at IS NULL AND status <> 'delivered';
