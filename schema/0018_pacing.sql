-- How fast messages are sent.

INSERT INTO schema_version (version) VALUES (18);

-- GCRA, per sender and per recipient. `paced_until` is the theoretical arrival
-- time in microseconds; a provider's throttle moves it on too. `paced_by` is the token of
-- the claim that moved it last, from `paced_from` on: run twice, it moves it once.
ALTER TABLE channel ADD COLUMN paced_until INTEGER NOT NULL DEFAULT 0;
ALTER TABLE channel ADD COLUMN paced_from INTEGER NOT NULL DEFAULT 0;
ALTER TABLE channel ADD COLUMN paced_by TEXT;
-- Until then a provider takes nothing from this sender.
ALTER TABLE channel ADD COLUMN held_until INTEGER NOT NULL DEFAULT 0;

ALTER TABLE conversation ADD COLUMN paced_until INTEGER NOT NULL DEFAULT 0;
ALTER TABLE conversation ADD COLUMN paced_by TEXT;

-- Where it equals `due_at`, the sender's pacing gave the message that moment for its own.
ALTER TABLE message ADD COLUMN slot_at INTEGER;
