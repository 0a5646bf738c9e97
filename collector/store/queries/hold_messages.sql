-- Insert held events of messages, or add recipients to those that wait already.
-- ZoneMTA queues the recipients of a message one by one, after the message itself, so its one held event grows. Its
-- receipt is the database's time, as for every held event.
INSERT INTO held_events (cluster, received_at, queue_id, seq, slot, source, time, event, is_unsendable)
SELECT cluster, clock_timestamp(), queue_id, seq, slot, source, time, event, is_unsendable
FROM jsonb_populate_recordset(NULL::held_events, %s::jsonb)
ON CONFLICT (queue_id, cluster, seq, slot, source) DO UPDATE
SET is_unsendable = held_events.is_unsendable OR excluded.is_unsendable,
    event = jsonb_strip_nulls(excluded.event) || jsonb_strip_nulls(held_events.event) || jsonb_build_object(
        'recipients', (held_events.event ->> 'recipients')::bigint + (excluded.event ->> 'recipients')::bigint
    )
WHERE held_events.stored_time IS NULL
