-- The newest deferrals and bounces.
-- The range to open in the trace begins when the message was queued, an hour before at least, and ends an hour later.
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
  response_pattern,
  coalesce(queue_id, message_id) AS message,
  (extract(epoch FROM time) * 1000 - greatest(queue_ms, 3600000))::bigint::text AS from_ms,
  (extract(epoch FROM time) * 1000 + 3600000)::bigint::text AS to_ms
FROM mail_events
WHERE $__timeFilter(time)
  AND cluster IN ($cluster)
  AND direction = 'outbound'
  AND action IN ('deferred', 'bounced')
ORDER BY time DESC, event_id
LIMIT 50
