-- Return a page of dead letters, oldest first.
SELECT letter_id, (extract(epoch FROM received_at) * 1000)::bigint, cluster, source, reason, error, raw
FROM dead_letters
WHERE (%(reason)s::text IS NULL OR reason = %(reason)s) AND (%(ids)s::text[] IS NULL OR letter_id = ANY (%(ids)s))
  AND (%(after)s::text IS NULL OR (received_at, letter_id) > (to_timestamp(%(after_ms)s / 1000.0), %(after)s))
ORDER BY received_at, letter_id
LIMIT %(limit)s
