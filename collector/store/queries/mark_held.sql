-- Mark held events as stored, and empty them.
-- They stay, so that a better source's event that arrives later finds the row that it replaces.
UPDATE held_events AS held
SET stored_event_id = held.event ->> 'event_id',
    stored_time = (held.event ->> 'time')::timestamptz,
    stored_action = held.event ->> 'action',
    event = NULL
FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::text[]) AS chosen (cluster, queue_id, seq, slot, source)
WHERE held.cluster = chosen.cluster AND held.queue_id = chosen.queue_id AND held.seq = chosen.seq
  AND held.slot = chosen.slot AND held.source = chosen.source
RETURNING held.cluster, held.source, held.stored_time, held.is_unsendable
