-- The chosen attempts of the range, of the same hours of the day before, and of the week before, as a table `compared`
-- with the columns `series`, `bucket` (moved into the range) and `action`. Each bucket is read once.
-- As delivery/chosen_stats: if no zone and no sending address of all that time is left out, the roll-up without them is
-- read. As shared/attempt_stats, the width is constant; it is the same for all three, so that bins hold as much time.
(
  WITH every AS MATERIALIZED (
    SELECT
      NOT EXISTS (
        SELECT
        FROM (
          SELECT
            date_bin('1 hour', $__timeFrom()::timestamptz, TIMESTAMPTZ 'epoch') - INTERVAL '168 hours' AS since,
            $__timeTo()::timestamptz AS until
        ) AS span
        CROSS JOIN LATERAL {{shared/attempt_days}} AS sent
        WHERE cluster IN ($cluster)
          AND coalesce(provider, 'none') IN ($provider)
          AND NOT (coalesce(zone, 'none') IN ($zone) AND coalesce(local_ip, 'unknown') IN ($address))
      ) AS is_chosen,
      CASE
        WHEN $__timeTo()::timestamptz - $__timeFrom()::timestamptz <= INTERVAL '3 days'
          AND $__timeFrom()::timestamptz > now() - INTERVAL '80 days'
        THEN EXISTS (
          SELECT FROM provider_stats_5m
          WHERE bucket = (
            SELECT min(bucket) FROM attempt_stats_5m
            WHERE bucket >= $__timeFrom()::timestamptz - INTERVAL '168 hours 5 minutes'
          )
        )
        ELSE EXISTS (
          SELECT FROM provider_stats_1h
          WHERE bucket = (
            SELECT min(bucket) FROM attempt_stats_1h
            WHERE bucket >= $__timeFrom()::timestamptz - INTERVAL '169 hours'
          )
        )
      END AS is_built
  ),
  counted AS (
    SELECT
      start,
      bucket,
      action,
      sum(events)::bigint AS events,
      sum(queue_le_1s)::bigint AS queue_le_1s,
      sum(queue_le_5s)::bigint AS queue_le_5s,
      sum(queue_le_30s)::bigint AS queue_le_30s,
      sum(queue_le_1m)::bigint AS queue_le_1m,
      sum(queue_le_5m)::bigint AS queue_le_5m,
      sum(queue_le_15m)::bigint AS queue_le_15m,
      sum(queue_le_1h)::bigint AS queue_le_1h,
      sum(queue_le_4h)::bigint AS queue_le_4h,
      sum(queue_le_12h)::bigint AS queue_le_12h,
      sum(queue_le_1d)::bigint AS queue_le_1d,
      sum(queue_count)::bigint AS queue_count
    FROM (
      SELECT date_bin('5 minutes', $__timeFrom()::timestamptz, TIMESTAMPTZ 'epoch') AS start,
        bucket, cluster, provider, action, events, queue_le_1s, queue_le_5s, queue_le_30s, queue_le_1m,
        queue_le_5m, queue_le_15m, queue_le_1h, queue_le_4h, queue_le_12h, queue_le_1d, queue_count
      FROM provider_stats_5m
      WHERE $__timeTo()::timestamptz - $__timeFrom()::timestamptz <= INTERVAL '3 days'
        AND $__timeFrom()::timestamptz > now() - INTERVAL '80 days'
        AND (SELECT is_chosen AND is_built FROM every)
      UNION ALL
      SELECT date_bin('1 hour', $__timeFrom()::timestamptz, TIMESTAMPTZ 'epoch') AS start,
        bucket, cluster, provider, action, events, queue_le_1s, queue_le_5s, queue_le_30s, queue_le_1m,
        queue_le_5m, queue_le_15m, queue_le_1h, queue_le_4h, queue_le_12h, queue_le_1d, queue_count
      FROM provider_stats_1h
      WHERE (
          $__timeTo()::timestamptz - $__timeFrom()::timestamptz > INTERVAL '3 days'
          OR $__timeFrom()::timestamptz <= now() - INTERVAL '80 days'
        )
        AND (SELECT is_chosen AND is_built FROM every)
      UNION ALL
      SELECT date_bin('5 minutes', $__timeFrom()::timestamptz, TIMESTAMPTZ 'epoch') AS start,
        bucket, cluster, provider, action, events, queue_le_1s, queue_le_5s, queue_le_30s, queue_le_1m,
        queue_le_5m, queue_le_15m, queue_le_1h, queue_le_4h, queue_le_12h, queue_le_1d, queue_count
      FROM attempt_stats_5m
      WHERE $__timeTo()::timestamptz - $__timeFrom()::timestamptz <= INTERVAL '3 days'
        AND $__timeFrom()::timestamptz > now() - INTERVAL '80 days'
        AND NOT (SELECT is_chosen AND is_built FROM every)
        AND coalesce(zone, 'none') IN ($zone)
        AND coalesce(local_ip, 'unknown') IN ($address)
      UNION ALL
      SELECT date_bin('1 hour', $__timeFrom()::timestamptz, TIMESTAMPTZ 'epoch') AS start,
        bucket, cluster, provider, action, events, queue_le_1s, queue_le_5s, queue_le_30s, queue_le_1m,
        queue_le_5m, queue_le_15m, queue_le_1h, queue_le_4h, queue_le_12h, queue_le_1d, queue_count
      FROM attempt_stats_1h
      WHERE (
          $__timeTo()::timestamptz - $__timeFrom()::timestamptz > INTERVAL '3 days'
          OR $__timeFrom()::timestamptz <= now() - INTERVAL '80 days'
        )
        AND NOT (SELECT is_chosen AND is_built FROM every)
        AND coalesce(zone, 'none') IN ($zone)
        AND coalesce(local_ip, 'unknown') IN ($address)
    ) AS sent
    WHERE cluster IN ($cluster)
      AND coalesce(provider, 'none') IN ($provider)
      AND (
        bucket >= start AND bucket < $__timeTo()::timestamptz
        OR bucket >= start - INTERVAL '24 hours' AND bucket < $__timeTo()::timestamptz - INTERVAL '24 hours'
        OR bucket >= start - INTERVAL '168 hours' AND bucket < $__timeTo()::timestamptz - INTERVAL '168 hours'
      )
    GROUP BY 1, 2, 3
  )
  SELECT series, bucket + ago AS bucket, action, events,
    queue_le_1s, queue_le_5s, queue_le_30s, queue_le_1m, queue_le_5m, queue_le_15m, queue_le_1h, queue_le_4h,
    queue_le_12h, queue_le_1d, queue_count
  FROM counted
  JOIN (
    VALUES ('this time', INTERVAL '0'), ('yesterday', INTERVAL '24 hours'), ('a week ago', INTERVAL '168 hours')
  ) AS shifts (series, ago)
    ON bucket + ago >= start
    AND bucket + ago < $__timeTo()::timestamptz
) AS compared
