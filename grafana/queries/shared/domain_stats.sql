-- The roll-up by sending domain that fits the range, as a table `domain_stats`, of the chosen sending domains.
-- Five minutes up to three days of the last 80, an hour beyond (docs/storage.md, "Roll-ups": how long each is kept).
-- The conditions on the range are constant, so only one branch is read.
-- The bucket that holds the start is in it whole.
(
  SELECT *
  FROM (
    SELECT * FROM domain_stats_5m
    WHERE $__timeTo()::timestamptz - $__timeFrom()::timestamptz <= INTERVAL '3 days'
      AND $__timeFrom()::timestamptz > now() - INTERVAL '80 days'
      AND bucket >= date_bin('5 minutes', $__timeFrom()::timestamptz, TIMESTAMPTZ 'epoch')
      AND bucket < $__timeTo()::timestamptz
    UNION ALL
    SELECT * FROM domain_stats_1h
    WHERE (
        $__timeTo()::timestamptz - $__timeFrom()::timestamptz > INTERVAL '3 days'
        OR $__timeFrom()::timestamptz <= now() - INTERVAL '80 days'
      )
      AND bucket >= date_bin('1 hour', $__timeFrom()::timestamptz, TIMESTAMPTZ 'epoch')
      AND bucket < $__timeTo()::timestamptz
  ) AS fitting
  WHERE cluster IN ($cluster)
    AND ('$tenant' IN ('', 'all') OR coalesce(sender_domain, 'none') = '$tenant')
) AS domain_stats
