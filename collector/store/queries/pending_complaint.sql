-- Return a row if one of these complaints is not counted yet.
SELECT 1 FROM pending_complaints
WHERE (event_id, cluster, time) IN (SELECT * FROM unnest(%s::text[], %s::text[], %s::timestamptz[]))
LIMIT 1
