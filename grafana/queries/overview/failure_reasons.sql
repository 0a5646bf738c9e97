-- The reasons why mail was deferred or bounced, the most frequent first, each with its newest reply.
-- Up to a day of the events themselves; beyond, of the roll-ups by hour, which know no kind of a bounce and so no
-- class. The conditions on the range are constant, so only one branch is read.
SELECT action, class, reason, coalesce(provider, 'none') AS provider, recipients, newest, pattern
FROM (
  SELECT
    action,
    {{shared/outcome_class}} AS class,
    reason,
    provider,
    count(*) AS recipients,
    max(time) AS newest,
    (
      array_agg(response_pattern ORDER BY time DESC, response_pattern COLLATE "C")
        FILTER (WHERE response_pattern IS NOT NULL)
    )[1] AS pattern
  FROM mail_events
  WHERE $__timeTo()::timestamptz - $__timeFrom()::timestamptz <= INTERVAL '25 hours'
    AND $__timeFilter(time)
    AND cluster IN ($cluster)
    AND direction = 'outbound'
    AND action IN ('deferred', 'bounced')
  GROUP BY 1, 2, 3, 4
  UNION ALL
  SELECT
    action,
    NULL,
    reason,
    provider,
    sum(events)::bigint,
    max(last_seen),
    -- The reply of the newest hour, and in it the one that was seen last. `other` stands for replies beyond the bound.
    (array_agg(response_pattern ORDER BY last_seen DESC) FILTER (WHERE response_pattern <> 'other'))[1]
  FROM pattern_stats_1h
  WHERE $__timeTo()::timestamptz - $__timeFrom()::timestamptz > INTERVAL '25 hours'
    AND bucket >= date_bin('1 hour', $__timeFrom()::timestamptz, TIMESTAMPTZ 'epoch')
    AND bucket < $__timeTo()::timestamptz
    AND cluster IN ($cluster)
  GROUP BY 1, 3, 4
) AS counted
ORDER BY recipients DESC, action, class, reason, provider
LIMIT 100
