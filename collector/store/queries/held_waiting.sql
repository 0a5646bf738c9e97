-- Return a row if at least one of these held events still waits.
SELECT 1 FROM held_events AS held
JOIN unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::text[]) AS chosen (cluster, queue_id, seq, slot, source)
    USING (cluster, queue_id, seq, slot, source)
WHERE held.stored_time IS NULL
LIMIT 1
