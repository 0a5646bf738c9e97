-- The deferrals of the last hour of the range, by which attempt it was. An hour, because this reads the event table.
-- Without any there is one row, because Grafana's bar chart takes a result without columns for an error.
WITH deferrals AS (
  SELECT
    CASE
      WHEN attempt IS NULL THEN 'unknown'
      WHEN attempt <= 3 THEN attempt::text
      WHEN attempt <= 6 THEN '4 to 6'
      WHEN attempt <= 12 THEN '7 to 12'
      ELSE '13 and more'
    END AS attempt,
    count(*) AS deferrals,
    min(coalesce(attempt, 2147483647)) AS place
  FROM mail_events
  WHERE time > $__timeTo()::timestamptz - INTERVAL '1 hour'
    AND $__timeFilter(time)
    AND cluster IN ($cluster)
    AND direction = 'outbound'
    AND action = 'deferred'
  GROUP BY 1
  UNION ALL
  SELECT 'no deferrals', 0, 2147483647
)
SELECT attempt, deferrals
FROM deferrals
WHERE deferrals > 0 OR NOT EXISTS (SELECT FROM deferrals WHERE deferrals > 0)
ORDER BY place
