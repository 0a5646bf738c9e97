-- Count the bounces and deferrals since a time whose pattern was not seen in the week before, by cluster and provider.
-- A pair whose patterns were all seen has 0. A pattern that was first seen since then has all its events since then, so
-- that the hour which `since` cuts counts exactly.
WITH recent AS (
    SELECT cluster, provider, response_pattern, sum(events) AS events, min(first_seen) AS first_seen
    FROM pattern_stats_1h
    WHERE bucket >= %(hour)s AND bucket <= %(now)s AND response_pattern IS NOT NULL AND example_event_id IS NOT NULL
    GROUP BY cluster, provider, response_pattern
), judged AS (
    SELECT cluster, provider, events,
           first_seen >= %(since)s AND NOT EXISTS (
               SELECT FROM pattern_stats_1h AS earlier
               WHERE earlier.response_pattern = recent.response_pattern AND earlier.cluster = recent.cluster
                 AND earlier.provider IS NOT DISTINCT FROM recent.provider
                 AND earlier.bucket >= %(first_hour)s AND earlier.bucket < %(hour)s
                 AND earlier.last_seen >= %(from)s
           ) AS is_new
    FROM recent
)
SELECT cluster, provider, coalesce(sum(events) FILTER (WHERE is_new), 0)::bigint
FROM judged
GROUP BY cluster, provider
