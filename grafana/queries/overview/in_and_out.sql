-- The number of recipients that came into the queue and that left it, one way or another.
SELECT
  date_bin('$__interval', bucket, TIMESTAMPTZ 'epoch') AS time,
  CASE action WHEN 'queued' THEN 'into the queue' ELSE 'out of the queue' END AS metric,
  sum(recipients)::bigint AS recipients
FROM {{shared/mail_stats}}
WHERE cluster IN ($cluster)
  AND direction = 'outbound'
  AND action IN ('queued', 'delivered', 'bounced', 'dropped', 'deleted', 'released')
GROUP BY 1, 2
ORDER BY 1, 2
