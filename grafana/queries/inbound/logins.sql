-- The logins of the last day of the range, by protocol and result. A day, because this reads each login.
SELECT protocol, result, sum(count)::bigint AS logins, max(time) AS newest
FROM auth_attempts
WHERE time > $__timeTo()::timestamptz - INTERVAL '1 day'
  AND $__timeFilter(time)
  AND cluster IN ($cluster)
GROUP BY 1, 2
ORDER BY logins DESC, protocol, result
