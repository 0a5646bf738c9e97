-- The newest deferrals and bounces.
-- The reply is shown as a pattern, which holds no address and no id.
SELECT
  time,
  action,
  cluster,
  zone,
  recipient_domain,
  coalesce(provider, 'none') AS provider,
  smtp_code,
  {{shared/outcome_class}} AS class,
  reason,
  response_pattern
FROM mail_events
WHERE $__timeFilter(time)
  AND cluster IN ($cluster)
  AND direction = 'outbound'
  AND action IN ('deferred', 'bounced')
ORDER BY time DESC, event_id
LIMIT 50
