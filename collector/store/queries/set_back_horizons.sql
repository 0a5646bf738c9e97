-- Set retention horizons that lie in the future to now.
-- "Future" is later than the collector's clock and the database's. While there are events in the future, the clocks are
-- behind instead: a horizon that is set back then would have buckets rebuilt whose events were deleted.
UPDATE retention_horizons SET gone_before = date_trunc('hour', greatest(%(now)s::timestamptz, clock_timestamp()), 'UTC')
WHERE gone_before > greatest(%(now)s::timestamptz, clock_timestamp())
  AND NOT EXISTS (
      SELECT FROM mail_events WHERE time > greatest(%(now)s::timestamptz, clock_timestamp()) + interval '2 hours'
  )
