-- The queue at this moment, by zone.
INSERT INTO queue_snapshots (time, cluster, zone, state, messages, oldest)
SELECT %s, cluster, zone, state, count(*), min(queued_at) FROM queue_entries GROUP BY cluster, zone, state
RETURNING cluster, zone, state, messages, extract(epoch FROM oldest)::float8
