-- Each listing of an address that stands now, beside the mail of the same address in the range: its attempts, those
-- refused for reputation, their share, and its complaints. A share of fewer than 100 attempts is null.
SELECT
  target AS address,
  list,
  since,
  CASE WHEN lookup IS NOT NULL THEN 'look up' END AS page,
  coalesce(attempts, 0)::bigint AS attempts,
  coalesce(refused, 0)::bigint AS refused,
  CASE WHEN attempts >= 100 THEN refused / attempts::float8 END AS refused_share,
  coalesce(complaints, 0)::bigint AS complaints,
  lookup
FROM (
  SELECT target, list, min(standing_since) AS since, {{reputation/lookup}} AS lookup
  FROM dnsbl_current
  WHERE standing = 'listed'
    AND kind = 'address'
  GROUP BY target, list
) AS listed
LEFT JOIN (
  SELECT
    local_ip,
    coalesce(sum(events) FILTER (WHERE action IN ('delivered', 'deferred', 'bounced')), 0) AS attempts,
    coalesce(sum(events) FILTER (WHERE action IN ('deferred', 'bounced') AND reason = 'reputation'), 0) AS refused,
    coalesce(sum(events) FILTER (WHERE action = 'complained'), 0) AS complaints
  FROM {{shared/mail_stats}}
  WHERE cluster IN ($cluster)
    AND direction = 'outbound'
    AND action IN ('delivered', 'deferred', 'bounced', 'complained')
  GROUP BY 1
) AS mail ON mail.local_ip = listed.target
ORDER BY refused DESC NULLS LAST, attempts DESC NULLS LAST, address, list
LIMIT 200
