-- The addresses with the most failed logins in the last day of the range. A day, because this reads each login.
-- A success, and an error of the server itself, are no failures. A view: it does not show whose logins they are.
SELECT
  source_ip AS source,
  sum(count) FILTER (WHERE result NOT IN ('success', 'error'))::bigint AS failed,
  coalesce(sum(count) FILTER (WHERE result = 'unknown_user'), 0)::bigint AS unknown_user,
  coalesce(sum(count) FILTER (WHERE result = 'success'), 0)::bigint AS succeeded,
  string_agg(DISTINCT protocol, ', ' ORDER BY protocol)
    FILTER (WHERE result NOT IN ('success', 'error')) AS protocols,
  min(time) FILTER (WHERE result NOT IN ('success', 'error')) AS first,
  max(time) FILTER (WHERE result NOT IN ('success', 'error')) AS last
FROM auth_attempts
WHERE time > $__timeTo()::timestamptz - INTERVAL '1 day'
  AND $__timeFilter(time)
  AND cluster IN ($cluster)
  AND source_ip IS NOT NULL
GROUP BY 1
HAVING sum(count) FILTER (WHERE result NOT IN ('success', 'error')) > 0
ORDER BY failed DESC, source
LIMIT 100
