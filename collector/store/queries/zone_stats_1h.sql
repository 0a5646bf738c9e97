-- Define the roll-up by zone: leave out provider, sending address, attempt and waiting times of the roll-up by attempt.
SELECT {bucket} AS bucket, cluster, zone, action, sum(events)::bigint AS events
FROM attempt_stats_1h
WHERE {window}
GROUP BY 1, 2, 3, 4
