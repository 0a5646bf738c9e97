-- The number of delivery attempts by outcome.
-- Each attempt is about one recipient; mail without a sender (`dsn`) is left out.
SELECT
  date_bin('$__interval', bucket, TIMESTAMPTZ 'epoch') AS time,
  action AS metric,
  sum(events)::bigint AS recipients
FROM {{shared/mail_stats}}
WHERE cluster IN ($cluster)
  AND direction = 'outbound'
  AND action IN ('delivered', 'deferred', 'bounced')
GROUP BY 1, 2
ORDER BY 1, 2
