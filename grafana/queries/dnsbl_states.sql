-- What stood for each target and list that was listed at any time of the range: 0 clean, 1 listed, 2 nothing is known. Results are
-- changes, so the newest one from before the range says with what it begins.
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
)
SELECT
  date_bin('$__interval', time, TIMESTAMPTZ 'epoch') AS time,
  target || ' at ' || list AS metric,
  (array_agg(CASE standing WHEN 'clean' THEN 0 WHEN 'listed' THEN 1 ELSE 2 END ORDER BY time DESC))[1] AS state
FROM said
JOIN shown USING (target, list)
GROUP BY 1, 2
ORDER BY 1, 2
