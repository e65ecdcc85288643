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
