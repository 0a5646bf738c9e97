-- Delete the held events of rows that a better source's event replaces, and mark their buckets.
-- `delete_row` deletes the rows themselves.
WITH gone AS (
    SELECT *
    FROM unnest(%s::text[], %s::text[], %s::text[], %s::timestamptz[]) AS given (queue_id, cluster, event_id, time)
), released AS (
    DELETE FROM held_events AS h USING gone AS g
    WHERE h.queue_id = g.queue_id AND h.cluster = g.cluster AND h.stored_event_id = g.event_id
      AND h.stored_time = g.time
)
INSERT INTO touched_buckets SELECT time FROM gone
