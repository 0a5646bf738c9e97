-- Return the held events that are due.
-- An event is due when its cluster's grace period is over, the journal holds nothing received before that, and no
-- plugin reported lately that it has an older entry to send. After one hour it is due in any case. However many events
-- wait, only due rows are read.
WITH RECURSIVE waiting AS (
    (SELECT cluster FROM held_events WHERE stored_time IS NULL ORDER BY cluster LIMIT 1)
    UNION ALL
    SELECT (
        SELECT h.cluster FROM held_events AS h
        WHERE h.stored_time IS NULL AND h.cluster > waiting.cluster
        ORDER BY h.cluster LIMIT 1
    ) FROM waiting WHERE waiting.cluster IS NOT NULL
),
clusters AS (
    SELECT cluster,
           least(%(now)s, %(journal)s::timestamptz)
               - coalesce((%(graces)s::jsonb ->> cluster)::interval, %(grace)s) AS before,
           (SELECT min(p.oldest_unsent) FROM plugin_reports AS p
            WHERE p.cluster = waiting.cluster AND p.received_at > %(now)s - interval '2 minutes'
              AND p.received_at <= %(now)s + interval '1 minute') AS unsent
    FROM waiting WHERE cluster IS NOT NULL
),
due AS (
    SELECT old.* FROM clusters AS c, LATERAL (
        SELECT h.* FROM held_events AS h
        WHERE h.stored_time IS NULL AND h.cluster = c.cluster AND h.received_at <= %(now)s - interval '1 hour'
          AND h.event ->> 'recipients' IS DISTINCT FROM '0'
        ORDER BY h.received_at LIMIT %(limit)s
    ) AS old
    UNION ALL
    SELECT free.* FROM clusters AS c, LATERAL (
        SELECT h.* FROM held_events AS h
        WHERE h.stored_time IS NULL AND h.cluster = c.cluster AND h.received_at > %(now)s - interval '1 hour'
          AND h.received_at < c.before
          AND h.event ->> 'recipients' IS DISTINCT FROM '0'
        ORDER BY h.received_at LIMIT %(limit)s
    ) AS free
    WHERE c.unsent IS NULL
    UNION ALL
    SELECT older.* FROM clusters AS c, LATERAL (
        SELECT h.* FROM held_events AS h
        WHERE h.stored_time IS NULL AND h.cluster = c.cluster AND h.time < c.unsent
          -- Without the index on received_at: most waiting events were received in that time.
          AND h.received_at + interval '0' > %(now)s - interval '1 hour' AND h.received_at + interval '0' < c.before
          AND h.event ->> 'recipients' IS DISTINCT FROM '0'
        ORDER BY h.time LIMIT %(limit)s
    ) AS older
    WHERE c.unsent IS NOT NULL
)
SELECT h.cluster, h.queue_id, h.seq, h.slot, h.source,
       h.event ->> 'event_id', (extract(epoch FROM h.time) * 1000)::bigint, h.event ->> 'action'
FROM due AS h
ORDER BY h.received_at
LIMIT %(limit)s
