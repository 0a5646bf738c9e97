-- Define the five-minute roll-up by attempt: count the outcomes of delivery attempts, and waiting times, of a window.
-- An unknown attempt (a backup source, an older plugin) is null, and neither a first nor a later one.
SELECT {bucket} AS bucket, cluster, zone, provider, local_ip,
       CASE WHEN attempt = 1 THEN 'first' WHEN attempt > 1 THEN 'later' END AS attempt,
       action,
       count(*) AS events,
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
WHERE direction = 'outbound' AND action IN ('delivered', 'deferred', 'bounced') AND {window}
GROUP BY 1, 2, 3, 4, 5, 6, 7
