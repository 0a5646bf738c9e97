-- A collector of an earlier version may run beside this one during an upgrade, or again after a downgrade. Its
-- reconciliation still marks a wrong bucket (migration 0013). So the database itself marks the right one, whichever
-- version stores what a backup source told.
CREATE FUNCTION mark_stored() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO touched_buckets
    SELECT DISTINCT date_bin('15 seconds', stored_time, 'epoch') FROM stored WHERE stored_time IS NOT NULL;
    RETURN NULL;
END
$$;

CREATE TRIGGER mark_stored AFTER UPDATE ON held_events REFERENCING NEW TABLE AS stored FOR EACH STATEMENT EXECUTE FUNCTION mark_stored();

-- What an earlier version stored while migration 0013 looked. From here on that version waits for this transaction. By
-- the receipt, which is hours before at most, and which a clock that was wrong may have stamped.
INSERT INTO touched_buckets
WITH latest AS MATERIALIZED (
    SELECT DISTINCT date_bin('15 seconds', stored_time, 'epoch') AS bucket, date_bin('5 minutes', stored_time, 'epoch') AS wider
    FROM held_events
    WHERE stored_time >= date_bin('15 seconds', stored_time, 'epoch') + interval '7.5 seconds' AND received_at > now() - interval '1 day'
      AND (SELECT relkind = 'r' FROM pg_class WHERE oid = 'mail_stats_5m'::regclass)
), whole AS MATERIALIZED (
    SELECT wider
    FROM (SELECT DISTINCT wider FROM latest) AS each
    WHERE (SELECT count(*) FROM mail_events WHERE time >= wider AND time < wider + interval '5 minutes')
        >= (SELECT coalesce(sum(events), 0) FROM mail_stats_5m AS built WHERE built.bucket = wider)
)
SELECT bucket FROM latest JOIN whole USING (wider);
