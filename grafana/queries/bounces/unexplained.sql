-- The replies of bounces and deferrals in the hour before each time, and the share of them that gave no reason.
-- An hour with fewer than 100 replies has no value.
WITH replies AS (
  SELECT
    bucket,
    sum(events) AS events,
    sum(events) FILTER (WHERE coalesce(reason, 'other') = 'other') AS unexplained
  FROM {{shared/mail_stats}}
  WHERE {{bounces/chosen}}
    AND action IN ('deferred', 'bounced')
  GROUP BY 1
),
hourly AS (
  SELECT bucket, sum(events) OVER recent AS events, coalesce(sum(unexplained) OVER recent, 0) AS unexplained
  FROM replies
  WINDOW recent AS (ORDER BY bucket RANGE BETWEEN INTERVAL '59 minutes' PRECEDING AND CURRENT ROW)
)
SELECT time, share AS "without a reason", replies
FROM (
  SELECT DISTINCT ON (1)
    date_bin('$__interval', bucket, TIMESTAMPTZ 'epoch') AS time,
    CASE WHEN events >= 100 THEN (unexplained / events)::float8 END AS share,
    events::bigint AS replies
  FROM hourly
  ORDER BY 1, bucket DESC
) AS shares
WHERE share IS NOT NULL
ORDER BY 1
