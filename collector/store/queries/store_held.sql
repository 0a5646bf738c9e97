-- Held events become rows. What they add up to is counted by those that come back: one that was there already is none.
INSERT INTO mail_events ({columns})
SELECT {values}
FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::text[]) AS chosen (cluster, queue_id, seq, slot, source)
JOIN held_events AS held USING (cluster, queue_id, seq, slot, source)
CROSS JOIN LATERAL jsonb_populate_record(NULL::mail_events, held.event) AS event
ON CONFLICT DO NOTHING
RETURNING {read}
