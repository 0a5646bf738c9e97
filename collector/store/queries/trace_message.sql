-- Return the newest events of a message, or of some of its recipients and of the message as a whole.
-- An event_id begins with its queue id.
SELECT {columns}
FROM mail_events
WHERE event_id >= %(queue_id)s AND event_id < %(queue_id)s || '~' AND queue_id = %(queue_id)s
  AND (%(seqs)s::text[] IS NULL OR seq IS NULL OR seq = ANY (%(seqs)s))
ORDER BY time DESC, event_id DESC
LIMIT %(rows)s
