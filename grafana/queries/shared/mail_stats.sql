-- The roll-up of mail that fits the range, as a table `mail_stats`: 15 seconds for a short range of the last two days,
-- 5 minutes up to three days, an hour beyond (docs/storage.md, "Roll-ups": how long each is kept).
-- The conditions on the range are constant, so only one branch is read. The bucket that holds the start is in it whole.
-- 15 seconds do not add up to bins of 20 seconds: there it is 5 minutes too.
(
  SELECT * FROM mail_stats_15s
  WHERE $__timeTo()::timestamptz - $__timeFrom()::timestamptz <= INTERVAL '6 hours'
    AND $__timeFrom()::timestamptz > now() - INTERVAL '2 days'
    AND ($__interval_ms <= 15000 OR $__interval_ms % 15000 = 0)
    AND bucket >= date_bin('15 seconds', $__timeFrom()::timestamptz, TIMESTAMPTZ 'epoch')
    AND bucket < $__timeTo()::timestamptz
  UNION ALL
  SELECT * FROM mail_stats_5m
  WHERE $__timeTo()::timestamptz - $__timeFrom()::timestamptz <= INTERVAL '3 days'
    AND $__timeFrom()::timestamptz > now() - INTERVAL '80 days'
    AND NOT (
      $__timeTo()::timestamptz - $__timeFrom()::timestamptz <= INTERVAL '6 hours'
      AND $__timeFrom()::timestamptz > now() - INTERVAL '2 days'
      AND ($__interval_ms <= 15000 OR $__interval_ms % 15000 = 0)
    )
    AND bucket >= date_bin('5 minutes', $__timeFrom()::timestamptz, TIMESTAMPTZ 'epoch')
    AND bucket < $__timeTo()::timestamptz
  UNION ALL
  SELECT * FROM mail_stats_1h
  WHERE (
      $__timeTo()::timestamptz - $__timeFrom()::timestamptz > INTERVAL '3 days'
      OR $__timeFrom()::timestamptz <= now() - INTERVAL '80 days'
    )
    AND bucket >= date_bin('1 hour', $__timeFrom()::timestamptz, TIMESTAMPTZ 'epoch')
    AND bucket < $__timeTo()::timestamptz
) AS mail_stats
