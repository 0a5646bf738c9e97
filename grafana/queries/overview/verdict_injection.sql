-- The verdict on injection over time: are messages accepted from those who send? The numbers are those of
-- dashboards/_verdicts.py, VERDICTS. Each judges the half hour before it (an hour where the roll-up has hours).
-- `queued` and `refused` rows both describe a message.
WITH counted AS (
  SELECT
    bucket,
    sum(events) FILTER (WHERE action = 'queued') AS queued,
    sum(events) FILTER (WHERE action = 'refused') AS refused
  FROM {{shared/mail_stats}}
  WHERE cluster IN ($cluster)
    AND direction = 'outbound'
    AND action IN ('queued', 'refused')
  GROUP BY 1
),
stats AS (
  SELECT bucket, queued, refused FROM counted
  UNION ALL
  SELECT at, 0, 0 FROM {{shared/bins}}
),
judged AS (
  SELECT
    bucket,
    coalesce(sum(queued) OVER recent, 0) AS queued,
    coalesce(sum(refused) OVER recent, 0) AS refused,
    -- What comes in within half an hour, over the whole range.
    coalesce(sum(queued) OVER (), 0) * 1800
      / extract(epoch FROM $__timeTo()::timestamptz - $__timeFrom()::timestamptz) AS usual,
    bucket >= $__timeFrom()::timestamptz + {{shared/window}} AS whole
  FROM stats
  WINDOW recent AS (ORDER BY bucket RANGE BETWEEN {{shared/window}} PRECEDING AND CURRENT ROW)
)
SELECT time, metric, state
FROM (
  SELECT DISTINCT ON (1)
    date_bin('$__interval', bucket, TIMESTAMPTZ 'epoch') AS time,
    'Injection' AS metric,
    CASE
      WHEN whole AND queued + refused = 0 AND usual >= 100 THEN 20
      WHEN queued + refused < 100 THEN 1
      WHEN refused >= 0.1 * (queued + refused) THEN 21
      ELSE 0
    END AS state
  FROM judged
  ORDER BY 1, bucket DESC
) AS states
ORDER BY 1, 2
