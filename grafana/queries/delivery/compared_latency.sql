-- How long 95 of 100 delivered recipients had waited at most, beside the same hours of the day and of the week before.
SELECT time, metric, seconds
FROM (
  SELECT time, metric, {{shared/queue_p95}} AS seconds
  FROM (
    SELECT
      date_bin('$__interval', bucket, TIMESTAMPTZ 'epoch') AS time,
      series AS metric,
      {{shared/queue_sums}}
    FROM {{delivery/compared_stats}}
    WHERE action = 'delivered'
    GROUP BY 1, 2
  ) AS counted
) AS waited
WHERE seconds IS NOT NULL
ORDER BY 1, 2
