-- The number of attempts that were deferred or bounced, beside those of the same hours of the day and of the week
-- before.
SELECT
  date_bin('$__interval', bucket, TIMESTAMPTZ 'epoch') AS time,
  series AS metric,
  sum(events)::bigint AS attempts
FROM {{delivery/compared_stats}}
WHERE action IN ('deferred', 'bounced')
GROUP BY 1, 2
ORDER BY 1, 2
