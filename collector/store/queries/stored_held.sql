-- Return the events of these messages that backup sources reported and mail_events holds.
SELECT cluster, queue_id, seq, slot, source, stored_event_id,
       (extract(epoch FROM stored_time) * 1000)::bigint, stored_action
FROM held_events
WHERE queue_id = ANY (%s) AND stored_time IS NOT NULL
