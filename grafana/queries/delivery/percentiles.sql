-- How long delivered mail had waited since it was queued: 50, 95 and 99 of 100 waited less than this.
SELECT time, metric, seconds
FROM (
  SELECT
    time,
    {{shared/queue_p50}} AS p50,
    {{shared/queue_p95}} AS p95,
    {{shared/queue_p99}} AS p99
  FROM (
    SELECT
      date_bin('$__interval', bucket, TIMESTAMPTZ 'epoch') AS time,
      {{shared/queue_sums}}
    FROM {{delivery/chosen_stats}}
    WHERE action = 'delivered'
    GROUP BY 1
  ) AS counted
) AS waited
CROSS JOIN LATERAL (VALUES ('p50', p50), ('p95', p95), ('p99', p99)) AS read (metric, seconds)
WHERE seconds IS NOT NULL
ORDER BY 1, 2
