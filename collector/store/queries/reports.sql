-- Return the last heartbeat of each plugin process of the last day, oldest first.
SELECT cluster, host, process, version, spool_bytes, (extract(epoch FROM oldest_unsent) * 1000)::bigint, dropped,
       (extract(epoch FROM least(received_at, now())) * 1000)::bigint
FROM plugin_reports
WHERE received_at > now() - interval '1 day'
ORDER BY received_at
LIMIT 20000
