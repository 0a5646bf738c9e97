-- Set receipts of held events that lie in the future to now.
-- They were stored while the database's clock was ahead. One minute is tolerated, for a clock that is being corrected.
-- For each cluster, one lookup at the end of an index finds them.
WITH RECURSIVE waiting AS (
    (SELECT cluster FROM held_events WHERE stored_time IS NULL ORDER BY cluster LIMIT 1)
    UNION ALL
    SELECT (
        SELECT h.cluster FROM held_events AS h
        WHERE h.stored_time IS NULL AND h.cluster > waiting.cluster
        ORDER BY h.cluster LIMIT 1
    ) FROM waiting WHERE waiting.cluster IS NOT NULL
)
UPDATE held_events AS held SET received_at = %(now)s
FROM waiting
WHERE held.cluster = waiting.cluster AND held.stored_time IS NULL AND held.received_at > %(now)s + interval '1 minute'
