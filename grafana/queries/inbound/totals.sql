-- The messages that WildDuck stored in the range, their bytes, and the users' verdicts on messages.
SELECT
  coalesce(sum(events) FILTER (WHERE action = 'stored'), 0)::bigint AS stored,
  coalesce(sum(bytes) FILTER (WHERE action = 'stored'), 0)::bigint AS bytes,
  coalesce(sum(events) FILTER (WHERE action = 'marked_spam'), 0)::bigint AS marked_spam,
  coalesce(sum(events) FILTER (WHERE action = 'marked_ham'), 0)::bigint AS marked_ham
FROM {{shared/mail_stats}}
WHERE cluster IN ($cluster)
  AND direction = 'inbound'
HAVING count(*) > 0
