-- The verdict over time for each target and list that was listed in the range: 0 clean, 1 listed, 2 unknown.
-- Results are changes, so the newest result from before the range gives the verdict at its start.
-- Without a listing there is one row (3).
-- A bin with a listing shows it, however short it was; the bin after it shows the verdict that followed.
WITH said AS (
  SELECT time, target, list, standing FROM dnsbl_results WHERE $__timeFilter(time)
  UNION ALL
  SELECT $__timeFrom()::timestamptz, target, list, standing
  FROM (
    SELECT DISTINCT ON (target, list) target, list, standing
    FROM dnsbl_results
    WHERE time < $__timeFrom()::timestamptz
    ORDER BY target, list, time DESC
  ) AS before
),
shown AS (
  SELECT target, list
  FROM said
  GROUP BY 1, 2
  HAVING bool_or(standing = 'listed')
  ORDER BY max(time) FILTER (WHERE standing = 'listed') DESC, target, list
  LIMIT 40
),
binned AS (
  SELECT
    bin,
    metric,
    bool_or(state = 1) AS was_listed,
    (array_agg(state ORDER BY time DESC))[1] AS newest,
    lead(bin) OVER (PARTITION BY metric ORDER BY bin) AS next
  FROM (
    SELECT
      date_bin('$__interval', time, TIMESTAMPTZ 'epoch') AS bin,
      time,
      target || ' at ' || list AS metric,
      CASE standing WHEN 'clean' THEN 0 WHEN 'listed' THEN 1 ELSE 2 END AS state
    FROM said
    JOIN shown USING (target, list)
  ) AS states
  GROUP BY bin, metric
),
states AS (
  SELECT bin AS time, metric, CASE WHEN was_listed THEN 1 ELSE newest END AS state
  FROM binned
  UNION ALL
  SELECT bin + INTERVAL '$__interval', metric, newest
  FROM binned
  WHERE was_listed AND newest <> 1 AND next IS DISTINCT FROM bin + INTERVAL '$__interval'
)
SELECT time, metric, state FROM {{shared/filled_states none=('no listing', 3)}} ORDER BY 1, 2
