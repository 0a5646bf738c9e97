-- Until this version, reconciliation rounded the time of an event to the nearest 15 seconds to mark its bucket. An
-- event in the second half of a bucket marked the bucket after its own, so that no roll-up counted it. Those buckets
-- are marked here, and the job `roll_up` builds them. A bucket of which rows were deleted is left as it is: built from
-- what is left, it would lose history. Each five minutes are counted once, since all of the table may have to be looked
-- at: a collector that starts waits for this. TimescaleDB Community refreshes its aggregates by marks of its own, which
-- were right.
INSERT INTO touched_buckets
WITH wrong AS MATERIALIZED (
    SELECT DISTINCT date_bin('15 seconds', stored_time, 'epoch') AS bucket, date_bin('5 minutes', stored_time, 'epoch') AS wider
    FROM held_events
    WHERE stored_time >= date_bin('15 seconds', stored_time, 'epoch') + interval '7.5 seconds'
      AND stored_time >= coalesce((SELECT gone_before FROM retention_horizons WHERE relation = 'mail_events'), '-infinity')
      AND (SELECT relkind = 'r' FROM pg_class WHERE oid = 'mail_stats_5m'::regclass)
), counted AS MATERIALIZED (
    SELECT wider,
           (SELECT count(*) FROM mail_events WHERE time >= wider AND time < wider + interval '5 minutes') AS events,
           (SELECT coalesce(sum(built.events), 0) FROM mail_stats_5m AS built WHERE built.bucket = wider) AS found
    FROM (SELECT DISTINCT wider FROM wrong) AS each
)
SELECT bucket
FROM wrong JOIN counted USING (wider)
WHERE events > found
   OR events = found
      AND bucket >= coalesce((SELECT gone_before FROM retention_horizons WHERE relation = 'mail_stats_15s'), '-infinity')
      AND (SELECT count(*) FROM mail_events WHERE time >= wrong.bucket AND time < wrong.bucket + interval '15 seconds')
        > (SELECT coalesce(sum(built.events), 0) FROM mail_stats_15s AS built WHERE built.bucket = wrong.bucket);
