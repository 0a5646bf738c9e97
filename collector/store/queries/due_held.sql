-- What waits and is due: its cluster's grace is over, nothing that came by then is still in the journal, and no plugin has just said that
-- it has something older to send; after an hour in any case.
SELECT h.cluster, h.queue_id, h.seq, h.slot, h.source,
       h.event ->> 'event_id', (extract(epoch FROM h.time) * 1000)::bigint, h.event ->> 'action'
FROM held_events AS h, LATERAL (
    SELECT %(now)s - coalesce((%(graces)s::jsonb ->> h.cluster)::interval, %(grace)s) AS over
) AS grace
WHERE h.stored_time IS NULL AND h.received_at <= grace.over
  -- Known, but not yet in the queue: MongoDB tells of a message before it tells of its recipients.
  AND h.event ->> 'recipients' IS DISTINCT FROM '0'
  AND (
    h.received_at <= %(now)s - interval '1 hour'
    OR (
        (%(journal)s::timestamptz IS NULL OR h.received_at + (%(now)s - grace.over) < %(journal)s)
        AND NOT EXISTS (
            SELECT FROM plugin_reports AS p
            WHERE p.cluster = h.cluster AND p.received_at > %(now)s - interval '2 minutes' AND p.oldest_unsent <= h.time
        )
    )
  )
ORDER BY h.received_at
LIMIT %(limit)s
