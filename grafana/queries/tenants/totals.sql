-- What became of the mail of the sending domains that the viewer chose.
-- The failed share is of recipients whose mail has ended, and null for fewer than 100 of them.
SELECT
  coalesce(sum(events) FILTER (WHERE action = 'queued'), 0)::bigint AS sent,
  coalesce(sum(events) FILTER (WHERE action = 'delivered'), 0)::bigint AS delivered,
  coalesce(sum(events) FILTER (WHERE action = 'bounced'), 0)::bigint AS bounced,
  coalesce(sum(events) FILTER (WHERE action = 'deferred'), 0)::bigint AS deferred,
  {{tenants/failed_share}} AS failed_share
FROM {{shared/domain_stats}}
HAVING count(*) > 0
