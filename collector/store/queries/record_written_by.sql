-- Return a row if this transaction wrote this row of a table beside mail_events (see written_by.sql).
SELECT 1 FROM {table} AS kept, jsonb_populate_recordset(NULL::{table}, %s::jsonb) AS wanted
WHERE {is_same} AND kept.xmin = %s::xid8::xid
