-- Count the bounces and deferrals of a window by the pattern of their reply. pattern_stats_bounded limits the patterns.
-- The example is the newest event: the largest text of its time, in 20 digits, and its id.
SELECT {bucket} AS bucket, cluster, provider, response_pattern, reason, action, count(*) AS events,
       min(time) AS first_seen, max(time) AS last_seen,
       substr(
           max((to_char(time AT TIME ZONE 'UTC', 'YYYYMMDDHH24MISSUS') || event_id) COLLATE "C"), 21
       ) AS example_event_id
FROM mail_events
WHERE direction = 'outbound' AND action IN ('deferred', 'bounced') AND {window}
GROUP BY 1, 2, 3, 4, 5, 6
