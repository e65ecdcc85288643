-- Answers to choices that a channel without buttons was given as numbered text.

INSERT INTO schema_version (version) VALUES (10);

-- What was numbered in an outbound message, in order, as JSON: each `said` (how its title is
-- compared; absent where that would not tell it from another) and the `reply` that a customer
-- makes who answers so. Of several messages, the first and the last have it. NULL where
-- nothing was numbered.
ALTER TABLE message ADD COLUMN choices TEXT;

-- The `seq` of the newest message that has choices: where they are looked for from, so that
-- conversations without any are not searched.
ALTER TABLE conversation ADD COLUMN choices_seq INTEGER;
