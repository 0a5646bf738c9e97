-- Delete held events by their keys.
DELETE FROM held_events AS held
USING unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::text[])
    AS chosen (cluster, queue_id, seq, slot, source)
WHERE held.cluster = chosen.cluster AND held.queue_id = chosen.queue_id AND held.seq = chosen.seq
  AND held.slot = chosen.slot AND held.source = chosen.source
