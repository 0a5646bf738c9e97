-- Insert rows into a table beside mail_events, and return the keys of the new ones.
INSERT INTO {table} ({columns}) SELECT {columns} FROM jsonb_populate_recordset(NULL::{table}, %s::jsonb)
ON CONFLICT DO NOTHING
RETURNING {key}
