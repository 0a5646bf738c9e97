-- The newest report of a process stays. Reports of one collector's process are ordered by their requests' ids: 22 digits that are the
-- collector process's own, then a count. Reports of two are ordered by their receipt, which is the database's time (store/receipt.py).
-- A receipt in the future was stored by a clock that was ahead: whatever comes now is newer.
INSERT INTO plugin_reports AS old (cluster, host, process, version, spool_bytes, oldest_unsent, dropped, contexts, received_at, request_id)
VALUES (%s, %s, %s, %s, %s, to_timestamp(%s / 1000.0), %s, %s, to_timestamp(%s / 1000.0), %s)
ON CONFLICT (cluster, host, process) DO UPDATE
SET version = excluded.version, spool_bytes = excluded.spool_bytes, oldest_unsent = excluded.oldest_unsent,
    dropped = excluded.dropped, contexts = excluded.contexts, received_at = excluded.received_at, request_id = excluded.request_id
WHERE old.received_at > clock_timestamp() OR CASE
    WHEN left(old.request_id, 22) = left(excluded.request_id, 22) THEN old.request_id <= excluded.request_id
    ELSE old.received_at <= excluded.received_at
END
