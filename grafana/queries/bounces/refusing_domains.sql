-- The recipient domains that refuse the largest share of what is tried, with the main reason: first those that take
-- nothing.
-- The roll-up names the 5,000 domains of each hour that fail most; its rest, `other`, is no domain and is left out.
-- Times are the starts of hours.
SELECT
  domain,
  providers,
  delivered + deferred + bounced AS attempts,
  delivered,
  deferred,
  bounced,
  (deferred + bounced) / (delivered + deferred + bounced)::float8 AS failed_share,
  CASE
    WHEN delivered + deferred + bounced < 100 THEN 'too little mail to judge'
    WHEN delivered = 0 THEN 'takes nothing'
    WHEN deferred + bounced > delivered THEN 'refuses most'
    ELSE 'takes most'
  END AS verdict,
  reason,
  first_failure,
  last_success
FROM (
  SELECT
    domain,
    string_agg(DISTINCT provider, ', ') AS providers,
    sum(delivered)::bigint AS delivered,
    sum(deferred)::bigint AS deferred,
    sum(bounced)::bigint AS bounced,
    (array_agg(reason ORDER BY failures DESC, reason))[1] AS reason,
    min(first_failure) AS first_failure,
    max(last_success) AS last_success
  FROM (
    SELECT
      coalesce(recipient_domain, 'unknown') AS domain,
      coalesce(provider, 'none') AS provider,
      coalesce(reason, 'other') AS reason,
      coalesce(sum(events) FILTER (WHERE action = 'delivered'), 0) AS delivered,
      coalesce(sum(events) FILTER (WHERE action = 'deferred'), 0) AS deferred,
      coalesce(sum(events) FILTER (WHERE action = 'bounced'), 0) AS bounced,
      sum(coalesce(sum(events) FILTER (WHERE action <> 'delivered'), 0)) OVER (
        PARTITION BY coalesce(recipient_domain, 'unknown'), coalesce(reason, 'other')
      ) AS failures,
      min(bucket) FILTER (WHERE action <> 'delivered') AS first_failure,
      max(bucket) FILTER (WHERE action = 'delivered') AS last_success
    FROM recipient_stats_1h
    WHERE bucket >= date_bin('1 hour', $__timeFrom()::timestamptz, TIMESTAMPTZ 'epoch')
      AND bucket < $__timeTo()::timestamptz
      AND cluster IN ($cluster)
      AND coalesce(provider, 'none') IN ($provider)
      AND recipient_domain IS DISTINCT FROM 'other'
    GROUP BY 1, 2, 3
  ) AS by_reason
  GROUP BY 1
) AS by_domain
WHERE deferred + bounced > 0
ORDER BY failed_share DESC, attempts DESC, domain
LIMIT 100
