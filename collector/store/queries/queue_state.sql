-- The queue at this moment, by zone. Not the source of an INSERT: PostgreSQL would count with one worker.
SELECT cluster, zone, NULL AS domain, state, count(*), min(queued_at) FROM queue_entries GROUP BY cluster, zone, state
