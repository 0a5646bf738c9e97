-- Return the events of one message that backup sources reported and that are not stored yet.
-- MATERIALIZED makes the planner use the key. Without it, it would read the partial indexes of waiting events whole.
WITH of_message AS MATERIALIZED (
    SELECT * FROM held_events WHERE queue_id = %(queue_id)s
)
SELECT time, cluster, source, event ->> 'action' AS action, queue_id, nullif(seq, '') AS seq,
    event ->> 'recipient' AS recipient,
    event ->> 'response' AS response, event ->> 'reason' AS reason, (event ->> 'attempt')::int AS attempt, received_at
FROM of_message
WHERE stored_time IS NULL AND event IS NOT NULL
ORDER BY time DESC
LIMIT %(rows)s
