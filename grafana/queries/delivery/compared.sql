-- The number of delivered recipients, beside those of the same hours of the day and of the week before.
SELECT
  date_bin('$__interval', bucket, TIMESTAMPTZ 'epoch') AS time,
  series AS metric,
  sum(events)::bigint AS recipients
FROM {{delivery/compared_stats}}
WHERE action = 'delivered'
GROUP BY 1, 2
ORDER BY 1, 2
