-- How long delivered mail had waited, first attempts and later ones apart: half of it less than p50, 95 of 100 less
-- than p95.
SELECT time, metric, seconds
FROM (
  SELECT
    time,
    attempt,
    {{shared/queue_p50}} AS p50,
    {{shared/queue_p95}} AS p95
  FROM (
    SELECT
      date_bin('$__interval', bucket, TIMESTAMPTZ 'epoch') AS time,
      attempt,
      {{shared/queue_sums}}
    FROM {{delivery/chosen_stats}}
    WHERE attempt IS NOT NULL
      AND action = 'delivered'
    GROUP BY 1, 2
  ) AS counted
) AS waited
CROSS JOIN LATERAL (VALUES (attempt || ', p50', p50), (attempt || ', p95', p95)) AS read (metric, seconds)
WHERE seconds IS NOT NULL
ORDER BY 1, 2
