-- The number of recipients that came into the queue and that left it, one way or another.
-- Each attempt is about one recipient, so beyond six hours those delivered and bounced come from the roll-up by zone.
-- The conditions on the range are constant, so only one branch is read.
SELECT
  date_bin('$__interval', bucket, TIMESTAMPTZ 'epoch') AS time,
  CASE action WHEN 'queued' THEN 'into the queue' ELSE 'out of the queue' END AS metric,
  sum(recipients)::bigint AS recipients
FROM (
  SELECT bucket, cluster, action, recipients
  FROM {{shared/mail_stats}}
  WHERE direction = 'outbound'
    AND action IN ('queued', 'dropped', 'deleted', 'released')
  UNION ALL
  SELECT bucket, cluster, action, recipients
  FROM {{shared/mail_stats}}
  WHERE $__timeTo()::timestamptz - $__timeFrom()::timestamptz <= INTERVAL '6 hours'
    AND direction = 'outbound'
    AND action IN ('delivered', 'bounced')
  UNION ALL
  SELECT bucket, cluster, action, events
  FROM {{shared/zone_stats}}
  WHERE $__timeTo()::timestamptz - $__timeFrom()::timestamptz > INTERVAL '6 hours'
    AND action IN ('delivered', 'bounced')
) AS moved
WHERE cluster IN ($cluster)
GROUP BY 1, 2
ORDER BY 1, 2
