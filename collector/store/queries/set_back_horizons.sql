-- In the future of both clocks, ours and the server's. Not while there are events of the future: then it is the clocks that are behind, and a
-- horizon that is set back would have buckets built anew whose events are gone.
UPDATE retention_horizons SET gone_before = date_trunc('hour', greatest(%(now)s::timestamptz, clock_timestamp()), 'UTC')
WHERE gone_before > greatest(%(now)s::timestamptz, clock_timestamp())
  AND NOT EXISTS (SELECT FROM mail_events WHERE time > greatest(%(now)s::timestamptz, clock_timestamp()) + interval '2 hours')
