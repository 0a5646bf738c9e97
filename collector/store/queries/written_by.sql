-- Return a row if this transaction wrote this row of mail_events.
-- xmin of the row holds the low 32 bits of the number of the transaction that wrote it.
SELECT 1 FROM mail_events
WHERE event_id = %s AND cluster = %s AND time = %s::timestamptz AND xmin = %s::xid8::xid
