-- Outcomes of delivery attempts: by attempt, by recipient domain, by reply (docs/storage.md, "Outcomes").
-- These are tables that the collector builds, with TimescaleDB Community too.
-- What each column adds up: queries/attempt_stats.sql, recipient_stats.sql and pattern_stats.sql.
-- mail_stats_* stay as they are: built anew, they would lose what is older than the events.
CREATE TABLE attempt_stats_5m (
    bucket       timestamptz NOT NULL,
    cluster      text,
    zone         text,
    provider     text,
    local_ip     text,
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
CREATE TABLE attempt_stats_1h (LIKE attempt_stats_5m);

CREATE TABLE recipient_stats_1h (
    bucket           timestamptz NOT NULL,
    cluster          text,
    recipient_domain text,
    provider         text,
    action           text,
    reason           text,
    events           bigint
);

CREATE TABLE pattern_stats_1h (
    bucket           timestamptz NOT NULL,
    cluster          text,
    provider         text,
    response_pattern text,
    reason           text,
    action           text,
    events           bigint,
    first_seen       timestamptz,
    last_seen        timestamptz,
    example_event_id text        COLLATE "C"
);

-- When each pattern was first and last seen, and the event in which it was seen last. Made of pattern_stats_1h, and
-- outlives it where a pattern goes on to be seen.
CREATE TABLE reply_patterns (
    cluster          text        NOT NULL,
    provider         text,
    response_pattern text        NOT NULL,
    reason           text,
    first_seen       timestamptz NOT NULL,
    last_seen        timestamptz NOT NULL,
    example_event_id text        COLLATE "C" NOT NULL,
    example_time     timestamptz NOT NULL
);

-- What events added up to whose rows were deleted by hand, as in migration 0014.
CREATE TABLE attempt_stats_5m_erased (LIKE attempt_stats_5m);
CREATE TABLE recipient_stats_1h_erased (LIKE recipient_stats_1h);
CREATE TABLE pattern_stats_1h_erased (LIKE pattern_stats_1h);

CREATE INDEX attempt_stats_5m_bucket ON attempt_stats_5m (bucket);
CREATE INDEX attempt_stats_1h_bucket ON attempt_stats_1h (bucket);
CREATE INDEX recipient_stats_1h_bucket ON recipient_stats_1h (bucket);
CREATE INDEX pattern_stats_1h_bucket ON pattern_stats_1h (bucket);
CREATE INDEX pattern_stats_1h_pattern ON pattern_stats_1h (response_pattern, cluster);
CREATE UNIQUE INDEX reply_patterns_identity ON reply_patterns (cluster, provider, response_pattern, reason)
    NULLS NOT DISTINCT;
CREATE INDEX reply_patterns_first_seen ON reply_patterns (first_seen);
CREATE INDEX reply_patterns_last_seen ON reply_patterns (last_seen);
CREATE INDEX attempt_stats_5m_erased_bucket ON attempt_stats_5m_erased (bucket);
CREATE INDEX recipient_stats_1h_erased_bucket ON recipient_stats_1h_erased (bucket);
CREATE INDEX pattern_stats_1h_erased_bucket ON pattern_stats_1h_erased (bucket);

ALTER TABLE attempt_stats_5m REPLICA IDENTITY FULL;
ALTER TABLE attempt_stats_1h REPLICA IDENTITY FULL;
ALTER TABLE recipient_stats_1h REPLICA IDENTITY FULL;
ALTER TABLE pattern_stats_1h REPLICA IDENTITY FULL;
ALTER TABLE reply_patterns REPLICA IDENTITY FULL;
ALTER TABLE attempt_stats_5m_erased REPLICA IDENTITY FULL;
ALTER TABLE recipient_stats_1h_erased REPLICA IDENTITY FULL;
ALTER TABLE pattern_stats_1h_erased REPLICA IDENTITY FULL;

-- Whichever version of the collector takes the marks of writers, the database notes the buckets of these tables too: an
-- earlier version that runs the jobs knows only its own. It costs writers nothing, since they only insert marks.
CREATE FUNCTION mark_outcomes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO stale_buckets
    SELECT DISTINCT width, date_bin(step, bucket, 'epoch')
    FROM taken,
         (VALUES ('attempts_5m', interval '5 minutes'), ('outcomes_1h', interval '1 hour')) AS widths (width, step)
    ON CONFLICT DO NOTHING;
    RETURN NULL;
END
$$;

CREATE TRIGGER mark_outcomes AFTER DELETE ON touched_buckets REFERENCING OLD TABLE AS taken
FOR EACH STATEMENT EXECUTE FUNCTION mark_outcomes();

-- As keep_erased and keep_truncated of migration 0014, which says why each line is there.
CREATE FUNCTION keep_erased_outcomes() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    horizon timestamptz;
BEGIN
    IF current_setting('duckwatch.corrects', true) = 'on' OR EXISTS (
        SELECT FROM pg_locks
        WHERE pid = pg_backend_pid() AND locktype = 'advisory'
          AND (classid, objid, objsubid) = (0::oid, 1751477348::oid, 1)
    ) THEN
        RETURN NULL;
    END IF;
    PERFORM set_config('search_path', format('%I, pg_temp', TG_TABLE_SCHEMA), true);
    SELECT coalesce(max(gone_before), '-infinity') INTO horizon FROM retention_horizons WHERE relation = 'mail_events';
    INSERT INTO attempt_stats_5m_erased
    SELECT date_bin('5 minutes', time, 'epoch'), cluster, zone, provider, local_ip,
           CASE WHEN attempt = 1 THEN 'first' WHEN attempt > 1 THEN 'later' END, action, count(*),
           count(*) FILTER (WHERE queue_ms <= 1000), count(*) FILTER (WHERE queue_ms <= 5000),
           count(*) FILTER (WHERE queue_ms <= 30000), count(*) FILTER (WHERE queue_ms <= 60000),
           count(*) FILTER (WHERE queue_ms <= 300000), count(*) FILTER (WHERE queue_ms <= 900000),
           count(*) FILTER (WHERE queue_ms <= 3600000), count(*) FILTER (WHERE queue_ms <= 14400000),
           count(*) FILTER (WHERE queue_ms <= 43200000), count(*) FILTER (WHERE queue_ms <= 86400000), count(queue_ms)
    FROM erased
    WHERE direction = 'outbound' AND action IN ('delivered', 'deferred', 'bounced') AND time >= horizon
    GROUP BY 1, 2, 3, 4, 5, 6, 7;
    INSERT INTO recipient_stats_1h_erased
    SELECT date_bin('1 hour', time, 'epoch'), cluster, recipient_domain, provider, action, reason, count(*)
    FROM erased
    WHERE direction = 'outbound' AND action IN ('delivered', 'deferred', 'bounced') AND time >= horizon
    GROUP BY 1, 2, 3, 4, 5, 6;
    INSERT INTO pattern_stats_1h_erased
    SELECT date_bin('1 hour', time, 'epoch'), cluster, provider, response_pattern, reason, action, count(*),
           min(time), max(time),
           substr(max((to_char(time AT TIME ZONE 'UTC', 'YYYYMMDDHH24MISSUS') || event_id) COLLATE "C"), 21)
    FROM erased
    WHERE direction = 'outbound' AND action IN ('deferred', 'bounced') AND time >= horizon
    GROUP BY 1, 2, 3, 4, 5, 6;
    RETURN NULL;
END
$$;

CREATE FUNCTION keep_truncated_outcomes() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF current_setting('duckwatch.corrects', true) = 'on' THEN
        RETURN NULL;
    END IF;
    PERFORM set_config('search_path', format('%I, pg_temp', TG_TABLE_SCHEMA), true);
    DELETE FROM attempt_stats_5m_erased;
    INSERT INTO attempt_stats_5m_erased SELECT * FROM attempt_stats_5m;
    DELETE FROM recipient_stats_1h_erased;
    INSERT INTO recipient_stats_1h_erased SELECT * FROM recipient_stats_1h;
    DELETE FROM pattern_stats_1h_erased;
    INSERT INTO pattern_stats_1h_erased SELECT * FROM pattern_stats_1h;
    RETURN NULL;
END
$$;

DO $$
BEGIN
    IF (SELECT relkind = 'r' FROM pg_class WHERE oid = 'mail_stats_5m'::regclass) THEN
        CREATE TRIGGER keep_truncated_outcomes BEFORE TRUNCATE ON mail_events
            FOR EACH STATEMENT EXECUTE FUNCTION keep_truncated_outcomes();
        CREATE TRIGGER keep_erased_outcomes AFTER DELETE ON mail_events REFERENCING OLD TABLE AS erased
            FOR EACH STATEMENT EXECUTE FUNCTION keep_erased_outcomes();
    END IF;
EXCEPTION
    WHEN feature_not_supported THEN
        NULL;
END
$$;

-- What is there already is built from the events that are still there, the newest first.
INSERT INTO stale_buckets
SELECT width, bucket
FROM (SELECT min(time) AS oldest, max(time) AS newest FROM mail_events) AS known,
     (VALUES ('attempts_5m', interval '5 minutes'), ('outcomes_1h', interval '1 hour')) AS widths (width, step),
     generate_series(date_bin(step, oldest, 'epoch'), newest, step) AS bucket
ON CONFLICT DO NOTHING;
