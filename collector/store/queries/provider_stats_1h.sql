-- Define the roll-up by provider: leave out zone and sending address of the roll-up by attempt.
SELECT {bucket} AS bucket, cluster, provider, attempt, action,
       sum(events)::bigint AS events,
       sum(queue_le_1s)::bigint AS queue_le_1s,
       sum(queue_le_5s)::bigint AS queue_le_5s,
       sum(queue_le_30s)::bigint AS queue_le_30s,
       sum(queue_le_1m)::bigint AS queue_le_1m,
       sum(queue_le_5m)::bigint AS queue_le_5m,
       sum(queue_le_15m)::bigint AS queue_le_15m,
       sum(queue_le_1h)::bigint AS queue_le_1h,
       sum(queue_le_4h)::bigint AS queue_le_4h,
       sum(queue_le_12h)::bigint AS queue_le_12h,
       sum(queue_le_1d)::bigint AS queue_le_1d,
       sum(queue_count)::bigint AS queue_count
FROM attempt_stats_1h
WHERE {window}
GROUP BY 1, 2, 3, 4, 5
