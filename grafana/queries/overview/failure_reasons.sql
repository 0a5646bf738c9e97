-- The reasons why mail was deferred or bounced, the most frequent first, each with its newest reply.
SELECT
  action,
  {{shared/outcome_class}} AS class,
  reason,
  coalesce(provider, 'none') AS provider,
  count(*) AS recipients,
  max(time) AS newest,
  (array_agg(response_pattern ORDER BY time DESC) FILTER (WHERE response_pattern IS NOT NULL))[1] AS pattern
FROM mail_events
WHERE $__timeFilter(time)
  AND cluster IN ($cluster)
  AND direction = 'outbound'
  AND action IN ('deferred', 'bounced')
GROUP BY 1, 2, 3, 4
ORDER BY recipients DESC, action, class, reason, provider
LIMIT 100
