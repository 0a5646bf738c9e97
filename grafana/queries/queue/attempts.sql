-- The deferrals of the last hour of the range, by which attempt it was. An hour, because this reads the event table.
SELECT
  CASE
    WHEN attempt IS NULL THEN 'unknown'
    WHEN attempt <= 3 THEN attempt::text
    WHEN attempt <= 6 THEN '4 to 6'
    WHEN attempt <= 12 THEN '7 to 12'
    ELSE '13 and more'
  END AS attempt,
  count(*) AS deferrals
FROM mail_events
WHERE time > $__timeTo()::timestamptz - INTERVAL '1 hour'
  AND $__timeFilter(time)
  AND cluster IN ($cluster)
  AND direction = 'outbound'
  AND action = 'deferred'
GROUP BY 1
ORDER BY min(coalesce(attempt, 2147483647))
