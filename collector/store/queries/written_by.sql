-- Did this transaction write this row? A finished transaction's row is seen, with its number (32 bits of it) in xmin.
SELECT 1 FROM mail_events
WHERE event_id = %s AND cluster = %s AND time = %s::timestamptz AND xmin = %s::xid8::xid
