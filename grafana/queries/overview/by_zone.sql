-- The outcome in each cluster and zone: attempts, recipients finished, and the shares of both that failed.
-- A share of fewer than 100 is null.
SELECT
  cluster,
  zone,
  delivered + bounced AS finished,
  CASE WHEN delivered + bounced >= 100 THEN bounced / (delivered + bounced)::float8 END AS bounced_share,
  delivered + deferred + bounced AS attempts,
    CASE WHEN delivered + deferred + bounced >= 100
    THEN deferred / (delivered + deferred + bounced)::float8 END AS deferred_share
FROM (
  SELECT
    cluster,
    coalesce(zone, 'none') AS zone,
    coalesce(sum(events) FILTER (WHERE action = 'delivered'), 0)::bigint AS delivered,
    coalesce(sum(events) FILTER (WHERE action = 'deferred'), 0)::bigint AS deferred,
    coalesce(sum(events) FILTER (WHERE action = 'bounced'), 0)::bigint AS bounced
  FROM {{shared/zone_stats}}
  WHERE cluster IN ($cluster)
  GROUP BY 1, 2
) AS counted
ORDER BY attempts DESC, cluster, zone
LIMIT 100
