-- Insert queue entries, or update their state, attempts and response.
INSERT INTO queue_entries (
    cluster, mongo_id, queue_id, seq, zone, domain, recipient, state, queued_at, attempts, response
)
SELECT cluster, mongo_id, queue_id, seq, zone, domain, recipient, state, queued_at, attempts, response
FROM jsonb_populate_recordset(NULL::queue_entries, %s::jsonb)
ON CONFLICT (cluster, mongo_id) DO UPDATE
SET state = excluded.state, attempts = excluded.attempts, response = excluded.response
