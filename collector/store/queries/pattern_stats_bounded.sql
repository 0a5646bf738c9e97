-- Define the hourly roll-up by reply: keep the 2,000 most frequent patterns of each hour and cluster.
-- The rest is called `other`, and has no example.
WITH judged AS (
    SELECT *, sum(events) OVER (PARTITION BY bucket, cluster, response_pattern) AS volume
    FROM pattern_stats_1h
    WHERE {window}
), ranked AS (
    SELECT *,
           dense_rank() OVER (
               PARTITION BY bucket, cluster ORDER BY volume DESC, response_pattern COLLATE "C"
           ) AS place
    FROM judged
), bounded AS (
    SELECT bucket, cluster, provider, reason, action, events, first_seen, last_seen, example_event_id,
           CASE WHEN place <= 2000 THEN response_pattern ELSE 'other' END AS response_pattern
    FROM ranked
)
SELECT {bucket} AS bucket, cluster, provider, response_pattern, reason, action, sum(events)::bigint AS events,
       min(first_seen) AS first_seen, max(last_seen) AS last_seen,
       CASE WHEN response_pattern <> 'other' OR response_pattern IS NULL THEN
           substr(
               max((to_char(last_seen AT TIME ZONE 'UTC', 'YYYYMMDDHH24MISSUS') || example_event_id) COLLATE "C"), 21
           )
       END AS example_event_id
FROM bounded
GROUP BY 1, 2, 3, 4, 5, 6
