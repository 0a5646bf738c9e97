-- Define the roll-ups of mail: count events, recipients, bytes and waiting times of a window.
SELECT {bucket} AS bucket, cluster, zone, provider, local_ip, direction, action, reason,
       count(*) AS events,
       coalesce(sum(recipients), 0)::bigint AS recipients,
       -- A sender may claim any size. A sum that does not fit becomes the largest number: an error would stop the job.
       least(coalesce(sum(size_bytes), 0), 9223372036854775807)::bigint AS bytes,
       count(*) FILTER (WHERE queue_ms <= 1000) AS queue_le_1s,
       count(*) FILTER (WHERE queue_ms <= 5000) AS queue_le_5s,
       count(*) FILTER (WHERE queue_ms <= 30000) AS queue_le_30s,
       count(*) FILTER (WHERE queue_ms <= 60000) AS queue_le_1m,
       count(*) FILTER (WHERE queue_ms <= 300000) AS queue_le_5m,
       count(*) FILTER (WHERE queue_ms <= 900000) AS queue_le_15m,
       count(*) FILTER (WHERE queue_ms <= 3600000) AS queue_le_1h,
       count(*) FILTER (WHERE queue_ms <= 14400000) AS queue_le_4h,
       count(*) FILTER (WHERE queue_ms <= 43200000) AS queue_le_12h,
       count(*) FILTER (WHERE queue_ms <= 86400000) AS queue_le_1d,
       count(queue_ms) AS queue_count
FROM mail_events
WHERE {window}
GROUP BY 1, 2, 3, 4, 5, 6, 7, 8
