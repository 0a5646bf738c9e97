-- Move held events that the table refuses into the dead letters.
WITH refused AS (
    DELETE FROM held_events AS held
    USING unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::text[])
        AS chosen (cluster, queue_id, seq, slot, source)
    WHERE held.cluster = chosen.cluster AND held.queue_id = chosen.queue_id AND held.seq = chosen.seq
      AND held.slot = chosen.slot AND held.source = chosen.source
    RETURNING held.*
)
INSERT INTO dead_letters (letter_id, received_at, cluster, source, reason, error, raw)
SELECT 'held:' || md5(concat_ws(E'\n', cluster, queue_id, seq, slot, source)), received_at, cluster, source, 'bad_row',
       'the database refuses the row', left(event::text, 65536)
FROM refused
ON CONFLICT (letter_id) DO NOTHING
