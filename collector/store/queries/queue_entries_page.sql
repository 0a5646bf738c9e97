-- Return the next page of stored queue entries, in order of id.
SELECT mongo_id, queue_id, seq, zone, domain, recipient, (extract(epoch FROM queued_at) * 1000)::bigint,
       attempts, response
FROM queue_entries
WHERE cluster = %s AND mongo_id > %s
ORDER BY mongo_id
LIMIT %s
