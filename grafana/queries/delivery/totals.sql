-- What became of the attempts of the range, as one row. A share of fewer than 100 is null.
SELECT
  delivered + deferred + bounced AS attempts,
  CASE
    WHEN delivered + deferred + bounced >= 100 THEN deferred / (delivered + deferred + bounced)::float8
  END AS deferred_share,
  delivered + bounced AS finished,
  CASE WHEN delivered + bounced >= 100 THEN delivered / (delivered + bounced)::float8 END AS delivered_share,
  first_attempts,
  CASE WHEN first_attempts >= 100 AND attempts_known THEN first_delivered / first_attempts::float8 END AS first_share,
  {{shared/queue_p50}} AS p50,
  {{shared/queue_p95}} AS p95
FROM (
  SELECT
    coalesce(sum(events) FILTER (WHERE action = 'delivered'), 0)::bigint AS delivered,
    coalesce(sum(events) FILTER (WHERE action = 'deferred'), 0)::bigint AS deferred,
    coalesce(sum(events) FILTER (WHERE action = 'bounced'), 0)::bigint AS bounced,
    coalesce(sum(events) FILTER (WHERE attempt = 'first'), 0)::bigint AS first_attempts,
    coalesce(sum(events) FILTER (WHERE attempt = 'first' AND action = 'delivered'), 0)::bigint AS first_delivered,
    -- Older plugins tell the attempt of deferrals alone, which makes no share.
    coalesce(bool_or(attempt IS NOT NULL AND action = 'delivered'), false) AS attempts_known,
    {{shared/queue_sums}}
  FROM {{shared/attempt_totals}}
  WHERE {{shared/chosen}}
  HAVING count(*) > 0
) AS counted
