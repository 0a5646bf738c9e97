-- The sending addresses whose mail is refused for reputation, each with the lists that list it now.
SELECT
  coalesce(refused.local_ip, 'unknown') AS address,
  refused.bounced,
  refused.deferred,
  refused.providers,
  refused.newest,
  listed.lists,
  listed.since
FROM (
  SELECT
    local_ip,
    count(*) FILTER (WHERE action = 'bounced') AS bounced,
    count(*) FILTER (WHERE action = 'deferred') AS deferred,
    string_agg(DISTINCT coalesce(provider, 'none'), ', ') AS providers,
    max(time) AS newest
  FROM mail_events
  WHERE $__timeFilter(time)
    AND cluster IN ($cluster)
    AND direction = 'outbound'
    AND action IN ('deferred', 'bounced')
    AND reason = 'reputation'
  GROUP BY 1
) AS refused
LEFT JOIN (
  SELECT target, string_agg(DISTINCT list, ', ') AS lists, min(standing_since) AS since
  FROM dnsbl_current
  WHERE standing = 'listed'
  GROUP BY 1
) AS listed ON listed.target = refused.local_ip
ORDER BY listed.lists IS NULL, bounced + deferred DESC, address
LIMIT 100
