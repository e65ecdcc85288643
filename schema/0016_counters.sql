-- What happened how often, for operators.

INSERT INTO schema_version (version) VALUES (16);

-- Totals of the whole deployment, that only grow. `token` is of the batch that counted last: run
-- again at once, it counts nothing more.
CREATE TABLE counter (
  name TEXT NOT NULL,
  label TEXT NOT NULL,
  value INTEGER NOT NULL,
  token TEXT NOT NULL,
  PRIMARY KEY (name, label)
) STRICT, WITHOUT ROWID;
