-- The roll-up of attempts of the range, of the same hours of the day before, and of the week before, as a table
-- `compared` with the column `series`; `bucket` is moved into the range. As shared/attempt_stats, which branch is read
-- is constant; it is the same for all three, so that bins hold as much time.
(
  SELECT series, bucket + ago AS bucket, cluster, zone, provider, local_ip, action, events, queue_le_1s, queue_le_5s,
    queue_le_30s, queue_le_1m, queue_le_5m, queue_le_15m, queue_le_1h, queue_le_4h, queue_le_12h, queue_le_1d,
      queue_count
  FROM (
    VALUES ('this time', INTERVAL '0'), ('yesterday', INTERVAL '24 hours'), ('a week ago', INTERVAL '168 hours')
  ) AS shifts (series, ago)
  CROSS JOIN LATERAL (
    SELECT * FROM attempt_stats_5m
    WHERE $__timeTo()::timestamptz - $__timeFrom()::timestamptz <= INTERVAL '3 days'
      AND $__timeFrom()::timestamptz > now() - INTERVAL '80 days'
      AND bucket >= date_bin('5 minutes', $__timeFrom()::timestamptz, TIMESTAMPTZ 'epoch') - ago
      AND bucket < $__timeTo()::timestamptz - ago
    UNION ALL
    SELECT * FROM attempt_stats_1h
    WHERE (
        $__timeTo()::timestamptz - $__timeFrom()::timestamptz > INTERVAL '3 days'
        OR $__timeFrom()::timestamptz <= now() - INTERVAL '80 days'
      )
      AND bucket >= date_bin('1 hour', $__timeFrom()::timestamptz, TIMESTAMPTZ 'epoch') - ago
      AND bucket < $__timeTo()::timestamptz - ago
  ) AS moved
) AS compared
