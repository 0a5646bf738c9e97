-- The times at which targets were listed and delisted, the newest first.
-- A result that is not a verdict (error, refused) does not change the verdict before it.
SELECT time, target, name, list, change, severity, meaning, reason
FROM (
  SELECT
    time,
    target,
    name,
    list,
    CASE standing WHEN 'listed' THEN 'listed' ELSE 'delisted' END AS change,
    standing,
    lag(standing) OVER (PARTITION BY cluster, target, list ORDER BY time) AS before,
    severity,
    array_to_string(meanings, ', ') AS meaning,
    reason
  FROM dnsbl_results
  WHERE standing IS NOT NULL
) AS real
WHERE $__timeFilter(time)
  AND (standing = 'listed' AND before IS DISTINCT FROM 'listed' OR standing = 'clean' AND before = 'listed')
ORDER BY time DESC, target, list
LIMIT 100
