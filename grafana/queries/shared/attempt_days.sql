-- The roll-up of attempts of a span of whole hours (`since` to `until`, columns of the table `span`): the whole days of
-- it by day, the rest by hour. `last_hour` is the last hour that has such events.
-- A day that is not built yet, or ended less than an hour ago, is read by hour.
(
  WITH days AS MATERIALIZED (
    SELECT at
    FROM generate_series(
      date_bin('1 day', span.since, TIMESTAMPTZ 'epoch'), span.until - INTERVAL '1 day', INTERVAL '1 day'
    ) AS at
    WHERE at >= span.since
      AND at <= now() - INTERVAL '25 hours'
      AND EXISTS (SELECT FROM attempt_stats_1d WHERE bucket = at)
  )
  SELECT
    cluster, zone, provider, local_ip, attempt, action, events, queue_le_1s, queue_le_5s, queue_le_30s,
    queue_le_1m, queue_le_5m, queue_le_15m, queue_le_1h, queue_le_4h, queue_le_12h, queue_le_1d, queue_count,
    last_hour
  FROM attempt_stats_1d
  WHERE bucket = ANY (ARRAY(SELECT at FROM days))
  UNION ALL
  SELECT
    cluster, zone, provider, local_ip, attempt, action, events, queue_le_1s, queue_le_5s, queue_le_30s,
    queue_le_1m, queue_le_5m, queue_le_15m, queue_le_1h, queue_le_4h, queue_le_12h, queue_le_1d, queue_count,
    bucket
  FROM attempt_stats_1h
  WHERE bucket = ANY (
      ARRAY(
        SELECT at
        FROM generate_series(span.since, span.until - INTERVAL '1 microsecond', INTERVAL '1 hour') AS at
        WHERE date_bin('1 day', at, TIMESTAMPTZ 'epoch') NOT IN (SELECT days.at FROM days)
      )
    )
)
