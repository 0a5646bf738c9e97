-- The current verdict of each list on each target, the listed ones first.
-- Not filtered by cluster: an address is listed for all clusters.
SELECT
  target,
  name,
  list,
  coalesce(standing, 'unknown') AS standing,
  severity,
  standing_since AS since,
  CASE WHEN lookup IS NOT NULL THEN 'look up' END AS page,
  verdict,
  array_to_string(meanings, ', ') AS meaning,
  reason,
  time AS changed,
  lookup
FROM (SELECT *, {{reputation/lookup}} AS lookup FROM dnsbl_current) AS said
ORDER BY (standing = 'listed') DESC NULLS LAST, severity = 'critical' DESC NULLS LAST, changed DESC, target, list
LIMIT 500
