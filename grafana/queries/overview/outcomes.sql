-- The number of delivery attempts by outcome.
-- Each attempt is about one recipient; mail without a sender (`dsn`) is left out.
-- Beyond six hours of the roll-up by zone, which has the same counts in fewer rows. The conditions on the range
-- are constant, so only one branch is read.
SELECT
  date_bin('$__interval', bucket, TIMESTAMPTZ 'epoch') AS time,
  action AS metric,
  sum(events)::bigint AS recipients
FROM (
  SELECT bucket, cluster, action, events
  FROM {{shared/mail_stats}}
  WHERE $__timeTo()::timestamptz - $__timeFrom()::timestamptz <= INTERVAL '6 hours'
    AND direction = 'outbound'
    AND action IN ('delivered', 'deferred', 'bounced')
  UNION ALL
  SELECT bucket, cluster, action, events
  FROM {{shared/zone_stats}}
  WHERE $__timeTo()::timestamptz - $__timeFrom()::timestamptz > INTERVAL '6 hours'
) AS attempts
WHERE cluster IN ($cluster)
GROUP BY 1, 2
ORDER BY 1, 2
