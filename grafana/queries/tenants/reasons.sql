-- Why the mail of the sending domains that the viewer chose was deferred or bounced, the most frequent first.
SELECT
  action,
  coalesce(reason, 'none') AS reason,
  sum(events)::bigint AS recipients,
  count(DISTINCT sender_domain)::bigint AS domains
FROM {{shared/domain_stats}}
WHERE action IN ('deferred', 'bounced')
GROUP BY 1, 2
ORDER BY recipients DESC, action, reason
