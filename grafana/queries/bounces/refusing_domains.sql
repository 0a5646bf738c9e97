-- The recipient domains that refuse the largest share of what is tried, with the main reason: first those that take
-- nothing.
-- The roll-up names the 5,000 domains of each hour that fail most; its rest, `other`, is no domain and is left out.
-- Times are the starts of hours. Providers and reasons are looked for of the domains that are shown.
WITH counted AS MATERIALIZED (
  SELECT
    recipient_domain,
    provider,
    reason,
    action,
    sum(events)::bigint AS events,
    min(first_hour) AS first_hour,
    max(last_hour) AS last_hour
  FROM {{bounces/recipient_days}}
  WHERE cluster IN ($cluster)
    AND coalesce(provider, 'none') IN ($provider)
    AND recipient_domain IS DISTINCT FROM 'other'
  GROUP BY 1, 2, 3, 4
),
domains AS (
  SELECT
    *,
    delivered + deferred + bounced AS attempts,
    (deferred + bounced) / (delivered + deferred + bounced)::float8 AS failed_share
  FROM (
    SELECT
      coalesce(recipient_domain, 'unknown') AS domain,
      coalesce(sum(events) FILTER (WHERE action = 'delivered'), 0)::bigint AS delivered,
      coalesce(sum(events) FILTER (WHERE action = 'deferred'), 0)::bigint AS deferred,
      coalesce(sum(events) FILTER (WHERE action = 'bounced'), 0)::bigint AS bounced,
      min(first_hour) FILTER (WHERE action <> 'delivered') AS first_failure,
      max(last_hour) FILTER (WHERE action = 'delivered') AS last_success
    FROM counted
    GROUP BY 1
  ) AS by_domain
  WHERE deferred + bounced > 0
  ORDER BY failed_share DESC, attempts DESC, domain
  LIMIT 100
),
reasons AS (
  SELECT
    domain,
    coalesce(reason, 'other') AS reason,
    array_agg(DISTINCT coalesce(provider, 'none')) AS providers,
    coalesce(sum(events) FILTER (WHERE action <> 'delivered'), 0) AS failures
  FROM counted
  JOIN domains ON domain = coalesce(recipient_domain, 'unknown')
  GROUP BY 1, 2
)
SELECT
  domain,
  (
    SELECT string_agg(DISTINCT provider, ', ')
    FROM reasons
    CROSS JOIN LATERAL unnest(reasons.providers) AS provider
    WHERE reasons.domain = domains.domain
  ) AS providers,
  attempts,
  delivered,
  deferred,
  bounced,
  failed_share,
  CASE
    WHEN attempts < 100 THEN 'too little mail to judge'
    WHEN delivered = 0 THEN 'takes nothing'
    WHEN deferred + bounced > delivered THEN 'refuses most'
    ELSE 'takes most'
  END AS verdict,
  (
    SELECT reason FROM reasons WHERE reasons.domain = domains.domain ORDER BY failures DESC, reason LIMIT 1
  ) AS reason,
  first_failure,
  last_success
FROM domains
ORDER BY failed_share DESC, attempts DESC, domain
