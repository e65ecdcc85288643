-- Long grams in the search index.

INSERT INTO schema_version (version) VALUES (20);

-- How many characters the longest grams have that `contact_search` has of all that the contact is
-- called and known as. NULL where they are three, or none: cron indexes it anew, and until a
-- workspace has no such contact left, it is searched by three.
ALTER TABLE contact ADD COLUMN grams INTEGER;
DROP INDEX contact_unindexed;
CREATE INDEX contact_unindexed ON contact (workspace_id, id) WHERE grams IS NULL;
