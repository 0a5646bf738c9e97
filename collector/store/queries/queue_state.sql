-- Return the number of messages, and the oldest one, in each zone of the queue.
-- The rows are fetched and inserted by the collector: as the source of an INSERT, PostgreSQL would count with one
-- worker.
SELECT cluster, zone, NULL AS domain, state, count(*), min(queued_at) FROM queue_entries GROUP BY cluster, zone, state
