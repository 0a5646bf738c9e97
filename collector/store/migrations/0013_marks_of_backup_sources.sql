-- Until this version, reconciliation rounded the time of an event to the nearest 15 seconds to mark its bucket. An event in the second
-- half of a bucket marked the bucket after its own, so that no roll-up counted it. Those buckets are marked here, and the job `roll_up`
-- builds them. A bucket of which rows were deleted is left as it is: built from what is left, it would lose history.
-- TimescaleDB Community refreshes its aggregates by marks of its own, which were right.
INSERT INTO touched_buckets
SELECT wrong.bucket
FROM (
    SELECT date_bin('15 seconds', stored_time, 'epoch') AS bucket, date_bin('5 minutes', stored_time, 'epoch') AS wider
    FROM held_events
    WHERE stored_time >= date_bin('15 seconds', stored_time, 'epoch') + interval '7.5 seconds'
      AND stored_time >= coalesce((SELECT gone_before FROM retention_horizons WHERE relation = 'mail_events'), '-infinity')
      AND (SELECT relkind = 'r' FROM pg_class WHERE oid = 'mail_stats_5m'::regclass)
    GROUP BY 1, 2
) AS wrong
WHERE (SELECT count(*) FROM mail_events WHERE time >= wrong.bucket AND time < wrong.bucket + interval '15 seconds')
    > (SELECT coalesce(sum(events), 0) FROM mail_stats_15s AS built WHERE built.bucket = wrong.bucket)
  AND (SELECT count(*) FROM mail_events WHERE time >= wrong.wider AND time < wrong.wider + interval '5 minutes')
    >= (SELECT coalesce(sum(events), 0) FROM mail_stats_5m AS built WHERE built.bucket = wrong.wider);
