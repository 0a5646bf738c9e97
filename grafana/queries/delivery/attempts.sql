-- First attempts and later ones of each provider: how many, which share was delivered, and how long that mail had
-- waited. A share of fewer than 100 is null, and so is that of mail whose plugin tells the attempt of deferrals
-- alone.
SELECT
  provider,
  attempt,
  attempts,
  CASE WHEN attempts >= 100 AND attempts_known THEN delivered / attempts::float8 END AS delivered_share,
  CASE WHEN attempts >= 100 AND attempts_known THEN deferred / attempts::float8 END AS deferred_share,
  CASE WHEN attempts >= 100 AND attempts_known THEN bounced / attempts::float8 END AS bounced_share,
  {{shared/queue_p50}} AS p50,
  {{shared/queue_p95}} AS p95
FROM (
  SELECT
    coalesce(provider, 'none') AS provider,
    coalesce(attempt, 'unknown') AS attempt,
    sum(events)::bigint AS attempts,
    coalesce(sum(events) FILTER (WHERE action = 'delivered'), 0)::bigint AS delivered,
    coalesce(sum(events) FILTER (WHERE action = 'deferred'), 0)::bigint AS deferred,
    coalesce(sum(events) FILTER (WHERE action = 'bounced'), 0)::bigint AS bounced,
    coalesce(bool_or(bool_or(attempt IS NOT NULL AND action = 'delivered')) OVER (), false) AS attempts_known,
    sum(sum(events)) OVER (PARTITION BY coalesce(provider, 'none')) AS of_provider,
    {{shared/queue_sums}}
  FROM {{shared/attempt_totals}}
  WHERE {{shared/chosen}}
  GROUP BY 1, 2
) AS counted
ORDER BY of_provider DESC, provider, attempt
LIMIT 100
