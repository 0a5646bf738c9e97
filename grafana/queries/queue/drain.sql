-- Whether each zone's queue becomes shorter: a straight line through the last half hour of snapshots in the range.
-- It grows or drains if that line moves by more than a twentieth of what waits; fewer than ten snapshots say nothing.
-- An empty queue leaves no snapshot, so one that is older than five minutes is not the present.
WITH newest AS (
  SELECT max(time) AS time
  FROM queue_snapshots
  WHERE $__timeFilter(time)
    AND time > least($__timeTo()::timestamptz, now()) - INTERVAL '5 minutes'
    AND domain IS NULL
), snapshots AS (
  SELECT *
  FROM queue_snapshots
  WHERE time > (SELECT time - INTERVAL '30 minutes' FROM newest)
    AND time <= (SELECT time FROM newest)
    AND domain IS NULL
), found AS (
  SELECT
    coalesce(zone, 'none') AS zone,
    time,
    sum(messages) AS waiting,
    coalesce(sum(messages) FILTER (WHERE state = 'deferred'), 0) AS deferred,
    min(oldest) AS oldest
  FROM snapshots
  WHERE cluster IN ($cluster)
  GROUP BY 1, 2
), moments AS (
  SELECT DISTINCT time FROM snapshots
), measured AS (
  SELECT
    zone,
    count(*) AS snapshots,
    regr_slope(coalesce(waiting, 0), extract(epoch FROM time - (SELECT time FROM newest))) * 60 AS slope,
    coalesce(max(waiting) FILTER (WHERE time = (SELECT time FROM newest)), 0) AS waiting,
    coalesce(max(deferred) FILTER (WHERE time = (SELECT time FROM newest)), 0) AS deferred,
    extract(
      epoch FROM (SELECT time FROM newest) - min(oldest) FILTER (WHERE time = (SELECT time FROM newest))
    ) AS oldest
  FROM moments CROSS JOIN (SELECT DISTINCT zone FROM found) AS zones LEFT JOIN found USING (zone, time)
  GROUP BY 1
)
SELECT
  zone,
  CASE
    WHEN waiting = 0 THEN 'empty'
    WHEN snapshots < 10 THEN 'too early to say'
    WHEN slope * 30 > waiting * 0.05 THEN 'grows'
    WHEN slope * 30 < waiting * -0.05 THEN 'drains'
    ELSE 'stays'
  END AS verdict,
  waiting::bigint AS waiting,
  deferred::bigint AS deferred,
  greatest(oldest, 0)::float8 AS oldest,
  CASE WHEN snapshots >= 10 THEN slope END::float8 AS per_minute,
  CASE
    WHEN waiting > 0 AND snapshots >= 10 AND slope * 30 < waiting * -0.05 THEN waiting / -slope * 60
  END::float8 AS empty_in
FROM measured
ORDER BY waiting DESC, zone
