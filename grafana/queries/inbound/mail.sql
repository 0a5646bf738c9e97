-- The messages that WildDuck stored. A row for each mailbox that a message came into.
SELECT
  date_bin('$__interval', bucket, TIMESTAMPTZ 'epoch') AS time,
  sum(events)::bigint AS stored
FROM {{shared/mail_stats}}
WHERE cluster IN ($cluster)
  AND direction = 'inbound'
  AND action = 'stored'
GROUP BY 1
ORDER BY 1
