-- Find the sightings anew of patterns that the buckets of a range no longer hold, after they were built.
-- Their rows were judged anew, replaced, or lie beneath the limit now. A pattern that no other bucket holds is deleted.
-- This comes before `know_patterns`.
WITH gone AS (
    DELETE FROM reply_patterns AS known
    WHERE (known.first_seen >= %(start)s AND known.first_seen < %(end)s
           OR known.last_seen >= %(start)s AND known.last_seen < %(end)s)
      AND NOT EXISTS (
          SELECT FROM pattern_stats_1h AS built
          WHERE built.bucket >= %(start)s AND built.bucket < %(end)s AND built.cluster = known.cluster
            AND built.response_pattern = known.response_pattern AND built.example_event_id IS NOT NULL
            AND built.provider IS NOT DISTINCT FROM known.provider AND built.reason IS NOT DISTINCT FROM known.reason
      )
    RETURNING *
)
INSERT INTO reply_patterns
SELECT gone.cluster, gone.provider, gone.response_pattern, gone.reason,
       CASE WHEN gone.first_seen < %(start)s THEN gone.first_seen ELSE min(built.first_seen) END,
       max(built.last_seen),
       substr(
           max(
               (to_char(built.last_seen AT TIME ZONE 'UTC', 'YYYYMMDDHH24MISSUS') || built.example_event_id) COLLATE "C"
           ), 21
       ),
       max(built.last_seen)
FROM gone
JOIN pattern_stats_1h AS built
  ON built.response_pattern = gone.response_pattern AND built.cluster = gone.cluster
 AND built.provider IS NOT DISTINCT FROM gone.provider AND built.reason IS NOT DISTINCT FROM gone.reason
WHERE built.example_event_id IS NOT NULL
GROUP BY gone.cluster, gone.provider, gone.response_pattern, gone.reason, gone.first_seen
