-- The current verdict of each list on each target, the listed ones first.
-- Not filtered by cluster: an address is listed for all clusters.
SELECT
  target,
  name,
  list,
  coalesce(standing, 'unknown') AS standing,
  severity,
  standing_since AS since,
  verdict,
  array_to_string(meanings, ', ') AS meaning,
  reason,
  time AS changed
FROM dnsbl_current
ORDER BY (standing = 'listed') DESC NULLS LAST, severity = 'critical' DESC NULLS LAST, changed DESC, target, list
LIMIT 500
