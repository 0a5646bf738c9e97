-- Note new complaints: the job `complaints` counts each when the search for its message ends.
INSERT INTO pending_complaints (cluster, event_id, time, received_at, is_searchable)
SELECT * FROM unnest(%s::text[], %s::text[], %s::timestamptz[], %s::timestamptz[], %s::boolean[])
ON CONFLICT DO NOTHING
