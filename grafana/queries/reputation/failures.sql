-- The number of attempts that were refused for the sender's reputation, by sending address.
SELECT
  date_bin('$__interval', bucket, TIMESTAMPTZ 'epoch') AS time,
  coalesce(local_ip, 'unknown') AS metric,
  sum(events)::bigint AS recipients
FROM {{shared/mail_stats}}
WHERE cluster IN ($cluster)
  AND direction = 'outbound'
  AND action IN ('deferred', 'bounced')
  AND reason = 'reputation'
GROUP BY 1, 2
ORDER BY 1, 2
