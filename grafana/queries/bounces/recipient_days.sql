-- The outcomes by recipient domain of the range, of the roll-up by day where a whole day is in it, and by hour, as a
-- table `recipient_stats` without buckets: `first_hour` and `last_hour` are the hours of the first and last event.
-- A day that is not built yet, or ended less than an hour ago, is read by hour.
(
  WITH days AS MATERIALIZED (
    SELECT at
    FROM generate_series(
      date_bin('1 day', $__timeFrom()::timestamptz, TIMESTAMPTZ 'epoch'),
      $__timeTo()::timestamptz - INTERVAL '1 day',
      INTERVAL '1 day'
    ) AS at
    WHERE at >= date_bin('1 hour', $__timeFrom()::timestamptz, TIMESTAMPTZ 'epoch')
      AND at <= now() - INTERVAL '25 hours'
      AND EXISTS (SELECT FROM recipient_stats_1d WHERE bucket = at)
  )
  SELECT cluster, recipient_domain, provider, action, reason, events, first_hour, last_hour
  FROM recipient_stats_1d
  WHERE bucket = ANY (ARRAY(SELECT at FROM days))
  UNION ALL
  SELECT cluster, recipient_domain, provider, action, reason, events, bucket, bucket
  FROM recipient_stats_1h
  WHERE bucket = ANY (
      ARRAY(
        SELECT at
        FROM generate_series(
          date_bin('1 hour', $__timeFrom()::timestamptz, TIMESTAMPTZ 'epoch'),
          $__timeTo()::timestamptz - INTERVAL '1 microsecond',
          INTERVAL '1 hour'
        ) AS at
        WHERE date_bin('1 day', at, TIMESTAMPTZ 'epoch') NOT IN (SELECT days.at FROM days)
      )
    )
) AS recipient_stats
