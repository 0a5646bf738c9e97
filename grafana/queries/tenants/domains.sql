-- What became of each sending domain's mail, those with the most bounces first.
SELECT
  coalesce(sender_domain, 'none') AS domain,
  coalesce(sum(events) FILTER (WHERE action = 'queued'), 0)::bigint AS sent,
  coalesce(sum(events) FILTER (WHERE action = 'delivered'), 0)::bigint AS delivered,
  coalesce(sum(events) FILTER (WHERE action = 'deferred'), 0)::bigint AS deferred,
  coalesce(sum(events) FILTER (WHERE action = 'bounced'), 0)::bigint AS bounced,
  coalesce(sum(events) FILTER (WHERE action IN ('delivered', 'bounced')), 0)::bigint AS ended,
  {{tenants/failed_share}} AS failed_share
FROM {{shared/domain_stats}}
WHERE action IN ('queued', 'delivered', 'deferred', 'bounced')
GROUP BY 1
ORDER BY bounced DESC, deferred DESC, ended DESC, domain
LIMIT 500
