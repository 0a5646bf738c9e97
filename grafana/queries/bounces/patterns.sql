-- The kinds of replies that bounces and deferrals got: how often, since when, whether that is since yesterday, and the
-- message that got it last. The 100 most frequent, and the 100 most frequent of the new ones.
-- Counts are of whole hours, since the roll-up is. No reply, and the roll-up's rest `other`, are no pattern: of these
-- nobody knows since when, so they are never new.
WITH counted AS (
  SELECT
    cluster,
    provider,
    response_pattern,
    reason,
    coalesce(sum(events) FILTER (WHERE action = 'bounced'), 0)::bigint AS bounced,
    coalesce(sum(events) FILTER (WHERE action = 'deferred'), 0)::bigint AS deferred,
    min(first_seen) AS first_seen,
    max(last_seen) AS last_seen
  FROM pattern_stats_1h
  WHERE bucket >= date_bin('1 hour', $__timeFrom()::timestamptz, TIMESTAMPTZ 'epoch')
    AND bucket < $__timeTo()::timestamptz
    AND cluster IN ($cluster)
    AND coalesce(provider, 'none') IN ($provider)
  GROUP BY 1, 2, 3, 4
),
judged AS (
  SELECT
    counted.*,
    CASE WHEN known.first_seen IS NOT NULL THEN least(counted.first_seen, known.first_seen) END AS known_since,
    known.example_event_id,
    known.first_seen IS NOT NULL
      AND least(counted.first_seen, known.first_seen) >= $__timeTo()::timestamptz - INTERVAL '1 day' AS is_new
  FROM counted
  LEFT JOIN reply_patterns AS known
    ON known.cluster = counted.cluster
    AND known.response_pattern = counted.response_pattern
    AND known.provider IS NOT DISTINCT FROM counted.provider
    AND known.reason IS NOT DISTINCT FROM counted.reason
),
ranked AS (
  SELECT
    *,
    row_number() OVER (
      PARTITION BY is_new ORDER BY bounced + deferred DESC, response_pattern, cluster, provider, reason
    ) AS place
  FROM judged
)
SELECT
  CASE WHEN is_new THEN 'new' ELSE '' END AS new,
  coalesce(response_pattern, '(no reply)') AS pattern,
  bounced,
  deferred,
  coalesce(provider, 'none') AS provider,
  coalesce(reason, 'other') AS reason,
  cluster,
  known_since AS first_seen,
  last_seen,
  CASE WHEN example_event_id NOT LIKE 'h:%' THEN split_part(example_event_id, ':', 1) END AS example
FROM ranked
WHERE place <= 100
ORDER BY bounced + deferred DESC, pattern, cluster, provider, reason
