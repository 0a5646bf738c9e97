-- The verdict on delivery over time, for each of the five providers with the most attempts in the range. The numbers
-- are those of dashboards/_verdicts.py, VERDICTS. Each judges the half hour before it (an hour where the roll-up has
-- hours).
WITH stats AS (
  SELECT
    bucket,
    provider,
    coalesce(sum(events) FILTER (WHERE action = 'delivered'), 0) AS delivered,
    coalesce(sum(events) FILTER (WHERE action = 'deferred'), 0) AS deferred,
    coalesce(sum(events) FILTER (WHERE action = 'bounced'), 0) AS bounced
  FROM {{shared/provider_stats}}
  WHERE cluster IN ($cluster)
    AND provider IS NOT NULL
  GROUP BY 1, 2
),
large AS (
  SELECT provider
  FROM stats
  GROUP BY 1
  ORDER BY sum(delivered + deferred + bounced) DESC, provider
  LIMIT 5
),
judged AS (
  SELECT
    bucket,
    provider,
    sum(delivered) OVER recent AS delivered,
    sum(deferred) OVER recent AS deferred,
    sum(bounced) OVER recent AS bounced
  FROM (
    SELECT bucket, provider, delivered, deferred, bounced FROM stats JOIN large USING (provider)
    UNION ALL
    SELECT at, provider, 0, 0, 0 FROM {{shared/bins}} CROSS JOIN large
  ) AS filled
  WINDOW recent AS (
    PARTITION BY provider ORDER BY bucket RANGE BETWEEN {{shared/window}} PRECEDING AND CURRENT ROW
  )
)
SELECT time, metric, state
FROM (
  SELECT DISTINCT ON (1, 2)
    date_bin('$__interval', bucket, TIMESTAMPTZ 'epoch') AS time,
    'Delivery to ' || provider AS metric,
    CASE
      WHEN delivered + deferred + bounced < 100 THEN 1
      WHEN delivered + bounced >= 100 AND bounced >= 0.1 * (delivered + bounced) THEN 11
      WHEN deferred >= 0.3 * (delivered + deferred + bounced) THEN 10
      ELSE 0
    END AS state
  FROM judged
  ORDER BY 1, 2, bucket DESC
) AS states
ORDER BY 1, 2
