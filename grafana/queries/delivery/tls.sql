-- Encryption of the deliveries to each provider, of the last six hours of the range at most: no roll-up has it.
-- A share of fewer than 100 is null.
SELECT
  provider,
  delivered,
  CASE WHEN delivered >= 100 THEN plain / delivered::float8 END AS plain_share,
  CASE WHEN delivered - plain >= 100 THEN unverified / (delivered - plain)::float8 END AS unverified_share,
  CASE WHEN delivered >= 100 THEN newest / delivered::float8 END AS newest_share,
  CASE WHEN delivered >= 100 THEN tls12 / delivered::float8 END AS tls12_share,
  CASE WHEN delivered >= 100 THEN old / delivered::float8 END AS old_share
FROM (
  SELECT
    coalesce(provider, 'none') AS provider,
    count(*) AS delivered,
    count(*) FILTER (WHERE tls_version IS NULL) AS plain,
    count(*) FILTER (WHERE tls_version IS NOT NULL AND tls_authorized IS NOT TRUE) AS unverified,
    count(*) FILTER (WHERE tls_version = 'TLSv1.3') AS newest,
    count(*) FILTER (WHERE tls_version = 'TLSv1.2') AS tls12,
    count(*) FILTER (WHERE tls_version NOT IN ('TLSv1.3', 'TLSv1.2')) AS old
  FROM mail_events
  WHERE time >= greatest($__timeFrom()::timestamptz, $__timeTo()::timestamptz - INTERVAL '6 hours')
    AND time <= $__timeTo()::timestamptz
    AND {{shared/chosen}}
    AND direction = 'outbound'
    AND action = 'delivered'
  GROUP BY 1
) AS counted
ORDER BY delivered DESC, provider
LIMIT 50
