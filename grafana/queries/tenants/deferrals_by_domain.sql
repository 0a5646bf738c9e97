-- The deferrals of the ten sending domains with the most. Each attempt counts.
WITH deferrals AS (
  SELECT
    date_bin('$__interval', bucket, TIMESTAMPTZ 'epoch') AS time,
    coalesce(sender_domain, 'none') AS domain,
    sum(events) AS attempts
  FROM {{shared/domain_stats}}
  WHERE action = 'deferred'
  GROUP BY 1, 2
), largest AS (
  SELECT domain FROM deferrals GROUP BY 1 ORDER BY sum(attempts) DESC, domain LIMIT 10
)
SELECT time, domain AS metric, attempts::bigint AS attempts
FROM deferrals JOIN largest USING (domain)
ORDER BY 1, 2
