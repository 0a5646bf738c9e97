-- The attempts of the range as a table `attempt_stats` without buckets, of few rows: of the same buckets as
-- shared/attempt_stats, but those that are a whole hour or day are added up. `last_hour` is their last hour.
-- An hour is read by its five minutes until ten minutes after its end.
(
  WITH span AS MATERIALIZED (
    SELECT
      CASE WHEN is_long THEN hour ELSE least(hour_after, $__timeTo()::timestamptz) END AS since,
      CASE
        WHEN is_long THEN $__timeTo()::timestamptz
        ELSE greatest(
          least(hour_after, $__timeTo()::timestamptz),
          date_bin('1 hour', least($__timeTo()::timestamptz, now() - INTERVAL '10 minutes'), TIMESTAMPTZ 'epoch')
        )
      END AS until,
      is_long
    FROM (
      SELECT
        date_bin('1 hour', $__timeFrom()::timestamptz, TIMESTAMPTZ 'epoch') AS hour,
        date_bin(
          '1 hour',
          date_bin('5 minutes', $__timeFrom()::timestamptz, TIMESTAMPTZ 'epoch') + INTERVAL '55 minutes',
          TIMESTAMPTZ 'epoch'
        ) AS hour_after,
        $__timeTo()::timestamptz - $__timeFrom()::timestamptz > INTERVAL '3 days'
          OR $__timeFrom()::timestamptz <= now() - INTERVAL '80 days' AS is_long
    ) AS range
  )
  SELECT
    cluster, zone, provider, local_ip, attempt, action, events, queue_le_1s, queue_le_5s, queue_le_30s,
    queue_le_1m, queue_le_5m, queue_le_15m, queue_le_1h, queue_le_4h, queue_le_12h, queue_le_1d, queue_count,
    last_hour
  FROM span
  CROSS JOIN LATERAL {{shared/attempt_days}} AS whole
  UNION ALL
  SELECT
    cluster, zone, provider, local_ip, attempt, action, events, queue_le_1s, queue_le_5s, queue_le_30s,
    queue_le_1m, queue_le_5m, queue_le_15m, queue_le_1h, queue_le_4h, queue_le_12h, queue_le_1d, queue_count,
    date_bin('1 hour', bucket, TIMESTAMPTZ 'epoch')
  FROM attempt_stats_5m
  WHERE NOT (SELECT is_long FROM span)
    AND bucket >= date_bin('5 minutes', $__timeFrom()::timestamptz, TIMESTAMPTZ 'epoch')
    AND bucket < (SELECT since FROM span)
  UNION ALL
  SELECT
    cluster, zone, provider, local_ip, attempt, action, events, queue_le_1s, queue_le_5s, queue_le_30s,
    queue_le_1m, queue_le_5m, queue_le_15m, queue_le_1h, queue_le_4h, queue_le_12h, queue_le_1d, queue_count,
    date_bin('1 hour', bucket, TIMESTAMPTZ 'epoch')
  FROM attempt_stats_5m
  WHERE NOT (SELECT is_long FROM span)
    AND bucket >= (SELECT until FROM span)
    AND bucket < $__timeTo()::timestamptz
) AS attempt_stats
