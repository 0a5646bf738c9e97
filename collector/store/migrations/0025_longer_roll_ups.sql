-- Roll-ups that answer long ranges from fewer rows (docs/storage.md, "Outcomes"). Each is built from another roll-up.
-- attempt_stats_* without zone and sending address.
CREATE TABLE provider_stats_5m (
    bucket       timestamptz NOT NULL,
    cluster      text,
    provider     text,
    attempt      text,
    action       text,
    events       bigint,
    queue_le_1s  bigint,
    queue_le_5s  bigint,
    queue_le_30s bigint,
    queue_le_1m  bigint,
    queue_le_5m  bigint,
    queue_le_15m bigint,
    queue_le_1h  bigint,
    queue_le_4h  bigint,
    queue_le_12h bigint,
    queue_le_1d  bigint,
    queue_count  bigint
);
CREATE TABLE provider_stats_1h (LIKE provider_stats_5m);

-- Whole days (UTC) of attempt_stats_1h and recipient_stats_1h, with the first and the last hour that has such events.
CREATE TABLE attempt_stats_1d (LIKE attempt_stats_1h, first_hour timestamptz, last_hour timestamptz);
CREATE TABLE recipient_stats_1d (LIKE recipient_stats_1h, first_hour timestamptz, last_hour timestamptz);

CREATE INDEX provider_stats_5m_bucket ON provider_stats_5m (bucket);
CREATE INDEX provider_stats_1h_bucket ON provider_stats_1h (bucket);
CREATE INDEX attempt_stats_1d_bucket ON attempt_stats_1d (bucket);
CREATE INDEX recipient_stats_1d_bucket ON recipient_stats_1d (bucket);

ALTER TABLE provider_stats_5m REPLICA IDENTITY FULL;
ALTER TABLE provider_stats_1h REPLICA IDENTITY FULL;
ALTER TABLE attempt_stats_1d REPLICA IDENTITY FULL;
ALTER TABLE recipient_stats_1d REPLICA IDENTITY FULL;

-- A bucket's mark is deleted in the transaction that builds the bucket: then those built from it are to be built too.
-- Whichever version of the collector builds it: an earlier one does not know these tables.
CREATE FUNCTION mark_built_from() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO stale_buckets
    SELECT DISTINCT wider, date_bin(step, bucket, 'epoch')
    FROM built
    JOIN (VALUES ('attempts_5m', 'providers_5m', interval '5 minutes'), ('attempts_1h', 'providers_1h', '1 hour'),
                 ('attempts_1h', 'attempts_1d', '1 day'), ('outcomes_1h', 'recipients_1d', '1 day')
         ) AS widths (source, wider, step) ON source = width
    ON CONFLICT DO NOTHING;
    RETURN NULL;
END
$$;

CREATE TRIGGER mark_built_from AFTER DELETE ON stale_buckets REFERENCING OLD TABLE AS built
FOR EACH STATEMENT EXECUTE FUNCTION mark_built_from();

-- What is there already is built from the roll-ups that are still there, the newest first.
INSERT INTO stale_buckets
SELECT width, bucket
FROM (SELECT 'providers_5m' AS width, interval '5 minutes' AS step, min(bucket) AS oldest, max(bucket) AS newest
      FROM attempt_stats_5m
      UNION ALL
      SELECT width, step, oldest, newest
      FROM (SELECT min(bucket) AS oldest, max(bucket) AS newest FROM attempt_stats_1h) AS hours,
           (VALUES ('providers_1h', interval '1 hour'), ('attempts_1d', '1 day')) AS widths (width, step)
      UNION ALL
      SELECT 'recipients_1d', interval '1 day', min(bucket), max(bucket) FROM recipient_stats_1h) AS known,
     generate_series(date_bin(step, oldest, 'epoch'), newest, step) AS bucket;
