-- Reports come in order, but two collectors may read two journals: the newer one stays.
INSERT INTO plugin_reports (cluster, host, process, version, spool_bytes, oldest_unsent, dropped, received_at)
VALUES (%s, %s, %s, %s, %s, to_timestamp(%s / 1000.0), %s, to_timestamp(%s / 1000.0))
ON CONFLICT (cluster, host, process) DO UPDATE
SET version = excluded.version, spool_bytes = excluded.spool_bytes, oldest_unsent = excluded.oldest_unsent,
    dropped = excluded.dropped, received_at = excluded.received_at
WHERE plugin_reports.received_at <= excluded.received_at
