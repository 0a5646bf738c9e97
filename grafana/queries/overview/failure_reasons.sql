-- The reasons why mail was deferred or bounced, the most frequent first, each with its newest reply.
-- Up to a day of the events themselves; beyond, of the roll-ups by hour, which know no kind of a bounce and so no
-- class. The conditions on the range are constant, so only one branch is read.
-- Replies are counted before the newest is looked for: there are far fewer of them than events.
SELECT
  action,
  class,
  reason,
  coalesce(provider, 'none') AS provider,
  sum(recipients)::bigint AS recipients,
  max(newest) AS newest,
  -- `other` stands for replies beyond the bound of the roll-up.
  (
    array_agg(pattern ORDER BY newest DESC, pattern COLLATE "C") FILTER (WHERE pattern IS NOT NULL AND is_one)
  )[1] AS pattern
FROM (
  SELECT
    action,
    {{shared/outcome_class}} AS class,
    reason,
    provider,
    response_pattern AS pattern,
    true AS is_one,
    count(*) AS recipients,
    max(time) AS newest
  FROM mail_events
  WHERE $__timeTo()::timestamptz - $__timeFrom()::timestamptz <= INTERVAL '25 hours'
    AND $__timeFilter(time)
    AND cluster IN ($cluster)
    AND direction = 'outbound'
    AND action IN ('deferred', 'bounced')
  GROUP BY 1, 2, 3, 4, 5
  UNION ALL
  SELECT
    action,
    NULL,
    reason,
    provider,
    response_pattern,
    response_pattern <> 'other',
    sum(events),
    max(last_seen)
  FROM pattern_stats_1h
  WHERE $__timeTo()::timestamptz - $__timeFrom()::timestamptz > INTERVAL '25 hours'
    AND bucket >= date_bin('1 hour', $__timeFrom()::timestamptz, TIMESTAMPTZ 'epoch')
    AND bucket < $__timeTo()::timestamptz
    AND cluster IN ($cluster)
  GROUP BY action, reason, provider, response_pattern
) AS replies
GROUP BY action, class, reason, provider
ORDER BY recipients DESC, action, class, reason, provider
LIMIT 100
