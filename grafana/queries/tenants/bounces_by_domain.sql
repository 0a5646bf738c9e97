-- The bounces of the ten sending domains with the most.
WITH bounces AS (
  SELECT
    date_bin('$__interval', bucket, TIMESTAMPTZ 'epoch') AS time,
    coalesce(sender_domain, 'none') AS domain,
    sum(events) AS recipients
  FROM {{shared/domain_stats}}
  WHERE action = 'bounced'
  GROUP BY 1, 2
), largest AS (
  SELECT domain FROM bounces GROUP BY 1 ORDER BY sum(recipients) DESC, domain LIMIT 10
)
SELECT time, domain AS metric, recipients::bigint AS recipients
FROM bounces JOIN largest USING (domain)
ORDER BY 1, 2
