-- What backup roads told of these messages and is in mail_events.
SELECT cluster, queue_id, seq, slot, source, stored_event_id, (extract(epoch FROM stored_time) * 1000)::bigint, stored_action
FROM held_events
WHERE queue_id = ANY (%s) AND stored_time IS NOT NULL
