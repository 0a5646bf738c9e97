-- Return how many recipients wait in ZoneMTA's queues, by state.
SELECT state, count(*) FROM queue_entries GROUP BY state
