-- The roll-up of attempts that fits the range, as a table `attempt_stats`: 5 minutes up to three days, an hour beyond.
-- The conditions on the range are constant, so only one branch is read. The bucket that holds the start is in it whole.
(
  SELECT * FROM attempt_stats_5m
  WHERE $__timeTo()::timestamptz - $__timeFrom()::timestamptz <= INTERVAL '3 days'
    AND $__timeFrom()::timestamptz > now() - INTERVAL '80 days'
    AND bucket >= date_bin('5 minutes', $__timeFrom()::timestamptz, TIMESTAMPTZ 'epoch')
    AND bucket < $__timeTo()::timestamptz
  UNION ALL
  SELECT * FROM attempt_stats_1h
  WHERE (
      $__timeTo()::timestamptz - $__timeFrom()::timestamptz > INTERVAL '3 days'
      OR $__timeFrom()::timestamptz <= now() - INTERVAL '80 days'
    )
    AND bucket >= date_bin('1 hour', $__timeFrom()::timestamptz, TIMESTAMPTZ 'epoch')
    AND bucket < $__timeTo()::timestamptz
) AS attempt_stats
