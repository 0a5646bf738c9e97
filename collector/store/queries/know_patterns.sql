-- Bring reply_patterns to what the buckets of a range say, after they were built.
-- A first or last sighting within the range is replaced by theirs; one outside it is only widened.
INSERT INTO reply_patterns AS known
SELECT cluster, provider, response_pattern, reason, min(first_seen), max(last_seen),
       substr(
           max((to_char(last_seen AT TIME ZONE 'UTC', 'YYYYMMDDHH24MISSUS') || example_event_id) COLLATE "C"), 21
       ),
       max(last_seen)
FROM pattern_stats_1h
WHERE bucket >= %(start)s AND bucket < %(end)s AND response_pattern IS NOT NULL AND example_event_id IS NOT NULL
GROUP BY cluster, provider, response_pattern, reason
ON CONFLICT (cluster, provider, response_pattern, reason) DO UPDATE SET
    first_seen = CASE
        WHEN known.first_seen >= %(start)s AND known.first_seen < %(end)s THEN excluded.first_seen
        ELSE least(known.first_seen, excluded.first_seen)
    END,
    last_seen = CASE
        WHEN known.last_seen >= %(end)s THEN known.last_seen ELSE excluded.last_seen
    END,
    example_event_id = CASE
        WHEN known.last_seen >= %(end)s THEN known.example_event_id ELSE excluded.example_event_id
    END,
    example_time = CASE
        WHEN known.last_seen >= %(end)s THEN known.example_time ELSE excluded.example_time
    END
