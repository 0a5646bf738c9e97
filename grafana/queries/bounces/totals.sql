-- The recipients whose mail ended, the attempts that were deferred, and the shares of bounces and of replies without a
-- reason. A share of fewer than 100 is null.
SELECT
  finished,
  bounced,
  CASE WHEN finished >= 100 THEN bounced / finished::float8 END AS bounced_share,
  deferred,
  CASE WHEN bounced + deferred >= 100 THEN unexplained / (bounced + deferred)::float8 END AS unexplained_share
FROM (
  SELECT
    coalesce(sum(events) FILTER (WHERE action IN ('delivered', 'bounced')), 0)::bigint AS finished,
    coalesce(sum(events) FILTER (WHERE action = 'bounced'), 0)::bigint AS bounced,
    coalesce(sum(events) FILTER (WHERE action = 'deferred'), 0)::bigint AS deferred,
    coalesce(sum(events) FILTER (WHERE action <> 'delivered' AND coalesce(reason, 'other') = 'other'), 0)::bigint
      AS unexplained
  FROM {{shared/mail_stats}}
  WHERE {{bounces/chosen}}
    AND action IN ('delivered', 'deferred', 'bounced')
) AS counted
WHERE finished + deferred > 0
