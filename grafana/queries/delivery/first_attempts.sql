-- The share of first attempts that were delivered at once, for each of the eight busiest providers: of the hour before
-- each time. A provider with fewer than 100 first attempts in that hour has no value.
WITH stats AS (
  SELECT
    bucket,
    coalesce(provider, 'none') AS provider,
    sum(events) FILTER (WHERE attempt = 'first') AS attempts,
    sum(events) FILTER (WHERE attempt = 'first' AND action = 'delivered') AS delivered,
    -- Older plugins tell the attempt of deferrals alone, which makes no share.
    bool_or(bool_or(attempt IS NOT NULL AND action = 'delivered')) OVER () AS attempts_known
  FROM {{delivery/chosen_stats}}
  GROUP BY 1, 2
),
large AS (
  SELECT provider
  FROM stats
  GROUP BY 1
  ORDER BY sum(attempts) DESC NULLS LAST, provider
  LIMIT 8
),
hourly AS (
  SELECT bucket, provider, attempts_known, sum(attempts) OVER recent AS attempts,
    sum(delivered) OVER recent AS delivered
  FROM stats
  JOIN large USING (provider)
  WINDOW recent AS (
    PARTITION BY provider ORDER BY bucket RANGE BETWEEN INTERVAL '59 minutes' PRECEDING AND CURRENT ROW
  )
)
SELECT time, metric, share
FROM (
  SELECT DISTINCT ON (1, 2)
    date_bin('$__interval', bucket, TIMESTAMPTZ 'epoch') AS time,
    provider AS metric,
    CASE WHEN attempts >= 100 AND attempts_known THEN coalesce(delivered, 0) / attempts::float8 END AS share
  FROM hourly
  ORDER BY 1, 2, bucket DESC
) AS shares
WHERE share IS NOT NULL
ORDER BY 1, 2
