-- Delete one row of mail_events by its key alone.
-- A join gives TimescaleDB no condition on a compressed batch: it would decompress every chunk, or refuse to.
DELETE FROM mail_events WHERE cluster = %s AND event_id = %s AND time = %s::timestamptz
