-- Delete held messages that never came into the queue.
DELETE FROM held_events
WHERE stored_time IS NULL AND received_at < now() - interval '1 day' AND event ->> 'recipients' = '0'
