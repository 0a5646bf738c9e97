-- The share of attempts that were delivered, for each provider and sending address: the 20 busiest of both.
-- A share of fewer than 100 attempts is null.
WITH pairs AS (
  SELECT
    coalesce(provider, 'none') AS provider,
    coalesce(local_ip, 'unknown') AS address,
    sum(events) AS attempts,
    sum(events) FILTER (WHERE action = 'delivered') AS delivered
  FROM {{shared/attempt_totals}}
  WHERE {{shared/chosen}}
  GROUP BY 1, 2
)
SELECT
  provider,
  address,
  CASE WHEN attempts >= 100 THEN coalesce(delivered, 0) / attempts::float8 END AS share
FROM pairs
JOIN (
  SELECT provider, sum(attempts) AS of_provider FROM pairs GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 20
) AS providers USING (provider)
JOIN (
  SELECT address, sum(attempts) AS of_address FROM pairs GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 20
) AS addresses USING (address)
ORDER BY of_provider DESC, provider, of_address DESC, address
