-- The times at which targets were listed and removed, once for each quarter hour: clusters report the same change.
-- At most the newest 100.
-- A result that is not a verdict (error, refused) does not change the verdict before it.
SELECT
  min(time) AS time,
  target || CASE standing WHEN 'listed' THEN ' listed at ' ELSE ' removed from ' END || list AS text
FROM (
  SELECT
    time,
    target,
    list,
    standing,
    lag(standing) OVER (PARTITION BY cluster, target, list ORDER BY time) AS before
  FROM dnsbl_results
  WHERE standing IS NOT NULL
) AS real
WHERE $__timeFilter(time)
  AND (standing = 'listed' AND before IS DISTINCT FROM 'listed' OR standing = 'clean' AND before = 'listed')
GROUP BY target, list, standing, date_bin('15 minutes', time, TIMESTAMPTZ 'epoch')
ORDER BY 1 DESC, 2
LIMIT 100
