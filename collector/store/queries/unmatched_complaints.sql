-- Return the complaints whose message is not known yet, newest first.
SELECT event_id, cluster, time, message_id, fbl_id, recipient
FROM mail_events
WHERE action = 'complained' AND queue_id IS NULL AND received_at > %(since)s
  AND (message_id IS NOT NULL OR fbl_id IS NOT NULL)
ORDER BY received_at DESC
LIMIT %(limit)s
