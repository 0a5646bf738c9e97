-- The sending domains of inbound mail in the last hour of the range, by what WildDuck and its users took for spam.
-- An hour, because this reads the event table. A share needs at least 100 stored messages.
SELECT
  coalesce(sender_domain, 'none') AS domain,
  count(*) FILTER (WHERE action = 'stored') AS stored,
  count(*) FILTER (WHERE action = 'stored' AND category = 'junk') AS junk,
  CASE
    WHEN count(*) FILTER (WHERE action = 'stored') >= 100
      THEN count(*) FILTER (WHERE action = 'stored' AND category = 'junk')::float8
        / count(*) FILTER (WHERE action = 'stored')::float8
  END AS junk_share,
  count(*) FILTER (WHERE action = 'marked_spam') AS marked_spam,
  count(*) FILTER (WHERE action = 'marked_ham') AS marked_ham
FROM mail_events
WHERE time > $__timeTo()::timestamptz - INTERVAL '1 hour'
  AND $__timeFilter(time)
  AND cluster IN ($cluster)
  AND direction = 'inbound'
  AND action IN ('stored', 'marked_spam', 'marked_ham')
GROUP BY 1
ORDER BY count(*) FILTER (WHERE action <> 'stored') DESC, stored DESC, domain
LIMIT 100
