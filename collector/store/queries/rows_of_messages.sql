-- Return the rows of some messages that may fill a slot, by the unique index of identity.
SELECT m.cluster, m.queue_id, m.seq, m.action, m.attempt, m.source, m.event_id,
       (extract(epoch FROM m.time) * 1000)::bigint
FROM unnest(%(queue_ids)s::text[]) AS message (queue_id)
JOIN LATERAL (
    SELECT * FROM mail_events
    WHERE event_id >= message.queue_id AND event_id < message.queue_id || '~' AND queue_id = message.queue_id
      AND time >= %(start)s::timestamptz AND time < %(end)s::timestamptz
) AS m ON true
