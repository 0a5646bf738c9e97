-- Set retention horizons that lie in the future to now.
-- "Future" is later than the collector's clock and the database's. While there are events in the future, the clocks are
-- behind instead: a horizon that is set back then would have buckets rebuilt whose events were deleted.
-- `statement_timestamp()` is stable: with the volatile `clock_timestamp()`, the look for events reads the whole table.
UPDATE retention_horizons
SET gone_before = date_trunc('hour', greatest(%(now)s::timestamptz, statement_timestamp()), 'UTC')
WHERE gone_before > greatest(%(now)s::timestamptz, statement_timestamp())
  AND NOT EXISTS (
      SELECT FROM mail_events WHERE time > greatest(%(now)s::timestamptz, statement_timestamp()) + interval '2 hours'
  )
