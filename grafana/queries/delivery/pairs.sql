-- Each provider and sending address with its attempts, what became of them, and how long delivered mail had waited.
-- A share of fewer than 100 attempts is null.
-- Up to three days, the last delivery is known to five minutes, beyond to the hour.
SELECT
  provider,
  address,
  attempts,
  CASE WHEN attempts >= 100 THEN delivered / attempts::float8 END AS delivered_share,
  CASE WHEN attempts >= 100 THEN deferred / attempts::float8 END AS deferred_share,
  CASE WHEN attempts >= 100 THEN bounced / attempts::float8 END AS bounced_share,
  {{shared/queue_p50}} AS p50,
  {{shared/queue_p95}} AS p95,
  coalesce(last_bucket, last_hour) AS last_delivered
FROM (
  SELECT
    coalesce(provider, 'none') AS provider,
    coalesce(local_ip, 'unknown') AS address,
    sum(events)::bigint AS attempts,
    coalesce(sum(events) FILTER (WHERE action = 'delivered'), 0)::bigint AS delivered,
    coalesce(sum(events) FILTER (WHERE action = 'deferred'), 0)::bigint AS deferred,
    coalesce(sum(events) FILTER (WHERE action = 'bounced'), 0)::bigint AS bounced,
    max(last_hour) FILTER (WHERE action = 'delivered') AS last_hour,
    {{shared/queue_sums}}
  FROM {{shared/attempt_totals}}
  WHERE {{shared/chosen}}
  GROUP BY 1, 2
) AS counted
LEFT JOIN (
  SELECT
    coalesce(provider, 'none') AS provider,
    coalesce(local_ip, 'unknown') AS address,
    max(bucket) AS last_bucket
  FROM {{shared/attempt_stats}}
  WHERE $__timeTo()::timestamptz - $__timeFrom()::timestamptz <= INTERVAL '3 days'
    AND $__timeFrom()::timestamptz > now() - INTERVAL '80 days'
    AND action = 'delivered'
    AND {{shared/chosen}}
  GROUP BY 1, 2
) AS newest USING (provider, address)
ORDER BY attempts DESC, provider, address
LIMIT 200
