-- What each mailbox provider did with the mail of the sending domains that the viewer chose.
SELECT
  coalesce(provider, 'none') AS provider,
  coalesce(sum(events) FILTER (WHERE action = 'delivered'), 0)::bigint AS delivered,
  coalesce(sum(events) FILTER (WHERE action = 'deferred'), 0)::bigint AS deferred,
  coalesce(sum(events) FILTER (WHERE action = 'bounced'), 0)::bigint AS bounced,
  coalesce(sum(events) FILTER (WHERE action IN ('delivered', 'bounced')), 0)::bigint AS ended,
  {{tenants/failed_share}} AS failed_share
FROM {{shared/domain_stats}}
WHERE action IN ('delivered', 'deferred', 'bounced')
GROUP BY 1
ORDER BY bounced DESC, ended DESC, deferred DESC, provider
