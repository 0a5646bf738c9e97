-- Outcomes by cluster and zone alone (docs/storage.md, "Outcomes"), built from attempt_stats_*. Most panels of
-- *Overview* show no provider and no sending address, and read a dozen rows for each of these.
CREATE TABLE zone_stats_5m (
    bucket  timestamptz NOT NULL,
    cluster text,
    zone    text,
    action  text,
    events  bigint
);
CREATE TABLE zone_stats_1h (LIKE zone_stats_5m);

CREATE INDEX zone_stats_5m_bucket ON zone_stats_5m (bucket);
CREATE INDEX zone_stats_1h_bucket ON zone_stats_1h (bucket);

ALTER TABLE zone_stats_5m REPLICA IDENTITY FULL;
ALTER TABLE zone_stats_1h REPLICA IDENTITY FULL;

-- As in migration 0025, with the two new widths.
CREATE OR REPLACE FUNCTION mark_built_from() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO stale_buckets
    SELECT DISTINCT wider, date_bin(step, bucket, 'epoch')
    FROM built
    JOIN (VALUES ('attempts_5m', 'providers_5m', interval '5 minutes'), ('attempts_1h', 'providers_1h', '1 hour'),
                 ('attempts_5m', 'zones_5m', '5 minutes'), ('attempts_1h', 'zones_1h', '1 hour'),
                 ('attempts_1h', 'attempts_1d', '1 day'), ('outcomes_1h', 'recipients_1d', '1 day')
         ) AS widths (source, wider, step) ON source = width
    ON CONFLICT DO NOTHING;
    RETURN NULL;
END
$$;

-- What is there already is built from the roll-ups that are still there, the newest first.
INSERT INTO stale_buckets
SELECT width, bucket
FROM (SELECT 'zones_5m' AS width, interval '5 minutes' AS step, min(bucket) AS oldest, max(bucket) AS newest
      FROM attempt_stats_5m
      UNION ALL
      SELECT 'zones_1h', interval '1 hour', min(bucket), max(bucket) FROM attempt_stats_1h) AS known,
     generate_series(date_bin(step, oldest, 'epoch'), newest, step) AS bucket
ON CONFLICT DO NOTHING;

-- What comes into the queue and leaves it without an attempt is one row in thirty of the roll-up. With TimescaleDB
-- Community, whose roll-up is a continuous aggregate, all rows of the range are read.
DO $$
BEGIN
    IF (SELECT relkind = 'r' FROM pg_class WHERE oid = 'mail_stats_5m'::regclass) THEN
        CREATE INDEX mail_stats_5m_messages ON mail_stats_5m (bucket)
            WHERE direction = 'outbound' AND action IN ('queued', 'refused', 'dropped', 'deleted', 'released');
        CREATE INDEX mail_stats_1h_messages ON mail_stats_1h (bucket)
            WHERE direction = 'outbound' AND action IN ('queued', 'refused', 'dropped', 'deleted', 'released');
    END IF;
END
$$;
