-- The number of delivery attempts by outcome.
-- Each row is about one recipient; mail without a sender (`dsn`) is left out.
SELECT
  date_bin('$__interval', time, TIMESTAMPTZ 'epoch') AS time,
  action AS metric,
  count(*) AS recipients
FROM mail_events
WHERE $__timeFilter(time)
  AND cluster IN ($cluster)
  AND direction = 'outbound'
  AND action IN ('delivered', 'deferred', 'bounced')
GROUP BY 1, 2
ORDER BY 1, 2
