-- Insert held events into mail_events, and return the new rows.
-- Metrics count the returned rows alone: a row that was there already is not counted again.
INSERT INTO mail_events ({columns})
SELECT {values}
FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::text[]) AS chosen (cluster, queue_id, seq, slot, source)
JOIN held_events AS held USING (cluster, queue_id, seq, slot, source)
CROSS JOIN LATERAL jsonb_populate_record(NULL::mail_events, held.event) AS event
ON CONFLICT DO NOTHING
RETURNING {read}
