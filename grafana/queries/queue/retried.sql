-- The destinations whose recipients were deferred in the last hour of the range, those with the most attempts first.
-- An hour, because this reads the event table.
SELECT
  coalesce(recipient_domain, 'unknown') AS domain,
  count(*) AS deferrals,
  max(attempt) AS attempts,
  max(next_attempt) AS next,
  mode() WITHIN GROUP (ORDER BY reason) AS reason,
  (
    array_agg(response_pattern ORDER BY time DESC, response_pattern COLLATE "C")
      FILTER (WHERE response_pattern IS NOT NULL)
  )[1] AS pattern
FROM mail_events
WHERE time > $__timeTo()::timestamptz - INTERVAL '1 hour'
  AND $__timeFilter(time)
  AND cluster IN ($cluster)
  AND direction = 'outbound'
  AND action = 'deferred'
GROUP BY 1
ORDER BY attempts DESC NULLS LAST, deferrals DESC, domain
LIMIT 100
