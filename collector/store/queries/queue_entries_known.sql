-- Return the stored queue entries with these ids.
SELECT mongo_id, queue_id, seq, zone, domain, recipient, (extract(epoch FROM queued_at) * 1000)::bigint,
       attempts, response
FROM queue_entries
WHERE cluster = %s AND mongo_id = ANY (%s)
