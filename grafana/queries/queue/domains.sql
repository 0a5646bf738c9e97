-- The destinations with the most waiting recipients in the newest snapshot of the range, beside an hour before.
-- An empty queue leaves no snapshot, so one that is older than five minutes is not the present.
WITH newest AS (
  SELECT max(time) AS time
  FROM queue_snapshots
  WHERE $__timeFilter(time)
    AND time > least($__timeTo()::timestamptz, now()) - INTERVAL '5 minutes'
    AND domain IS NOT NULL
), before AS (
  SELECT max(time) AS time
  FROM queue_snapshots
  WHERE time <= (SELECT time - INTERVAL '1 hour' FROM newest)
    AND time > (SELECT time - INTERVAL '65 minutes' FROM newest)
    AND domain IS NOT NULL
), earlier AS (
  SELECT domain, sum(messages) AS waiting
  FROM queue_snapshots
  WHERE time = (SELECT time FROM before) AND domain IS NOT NULL AND cluster IN ($cluster)
  GROUP BY 1
)
SELECT
  domain,
  sum(messages)::bigint AS waiting,
  coalesce(sum(messages) FILTER (WHERE state = 'deferred'), 0)::bigint AS deferred,
  greatest(extract(epoch FROM max(time) - min(oldest)), 0)::float8 AS oldest,
  CASE
    WHEN (SELECT time FROM before) IS NOT NULL THEN sum(messages) - coalesce(max(earlier.waiting), 0)
  END::bigint AS change
FROM queue_snapshots
LEFT JOIN earlier USING (domain)
WHERE time = (SELECT time FROM newest) AND domain IS NOT NULL AND cluster IN ($cluster)
GROUP BY 1
ORDER BY waiting DESC, domain
LIMIT 100
