-- The messages that users marked as spam, or as no spam.
SELECT
  date_bin('$__interval', bucket, TIMESTAMPTZ 'epoch') AS time,
  action AS metric,
  sum(events)::bigint AS messages
FROM {{shared/mail_stats}}
WHERE cluster IN ($cluster)
  AND direction = 'inbound'
  AND action IN ('marked_spam', 'marked_ham')
GROUP BY 1, 2
ORDER BY 1, 2
