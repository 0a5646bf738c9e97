-- Insert a plugin's heartbeat, or replace the older one of the same process.
-- Heartbeats that one collector process received are ordered by request id: 22 digits that identify the collector
-- process, then a count. Heartbeats that two collectors received are ordered by receipt, which is the database's time
-- (database/receipt_clock.py). A receipt in the future was stored by a clock that was ahead: any heartbeat that arrives
-- now is newer.
INSERT INTO plugin_reports AS old (
    cluster, host, process, version, spool_bytes, oldest_unsent, dropped, contexts, received_at, request_id
)
VALUES (%s, %s, %s, %s, %s, to_timestamp(%s / 1000.0), %s, %s, to_timestamp(%s / 1000.0), %s)
ON CONFLICT (cluster, host, process) DO UPDATE
SET version = excluded.version, spool_bytes = excluded.spool_bytes, oldest_unsent = excluded.oldest_unsent,
    dropped = excluded.dropped, contexts = excluded.contexts, received_at = excluded.received_at,
    request_id = excluded.request_id
WHERE old.received_at > clock_timestamp() OR CASE
    WHEN left(old.request_id, 22) = left(excluded.request_id, 22) THEN old.request_id <= excluded.request_id
    ELSE old.received_at <= excluded.received_at
END
