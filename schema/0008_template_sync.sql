-- When a channel's templates are to be read from its provider again.

INSERT INTO schema_version (version) VALUES (8);

-- `templates_due_at` is NULL where the provider has no templates; 0 is at the next sweep.
-- `templates_account` is what the provider calls the account whose templates they are, as
-- of the last sweep that read them: several channels may share one.
ALTER TABLE channel ADD COLUMN templates_due_at INTEGER;
ALTER TABLE channel ADD COLUMN templates_account TEXT;
UPDATE channel SET templates_due_at = 0 WHERE type = 'whatsapp';
CREATE INDEX channel_templates_due ON channel (templates_due_at)
  WHERE templates_due_at IS NOT NULL AND deleted_at IS NULL;
CREATE INDEX channel_templates_account ON channel (workspace_id, templates_account)
  WHERE templates_account IS NOT NULL AND deleted_at IS NULL;
