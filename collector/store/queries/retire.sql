-- Rows of mail_events whose slots a better road takes over go, and with them what was kept so that this could be.
WITH gone AS (
    SELECT * FROM unnest(%s::text[], %s::text[], %s::text[], %s::timestamptz[]) AS given (queue_id, cluster, event_id, time)
), released AS (
    DELETE FROM held_events AS h USING gone AS g
    WHERE h.queue_id = g.queue_id AND h.cluster = g.cluster AND h.stored_event_id = g.event_id AND h.stored_time = g.time
), noted AS (
    INSERT INTO touched_buckets SELECT date_bin('15 seconds', time, 'epoch') FROM gone
)
DELETE FROM mail_events AS m USING gone AS g WHERE m.event_id = g.event_id AND m.cluster = g.cluster AND m.time = g.time
