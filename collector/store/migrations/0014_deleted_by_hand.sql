-- A roll-up is built whole from the rows of its bucket. When an operator deletes rows by hand, what they added up to is
-- kept here, so that the next late event of the bucket does not make the roll-up forget them (docs/storage.md,
-- "Deleting by hand").
CREATE TABLE mail_stats_15s_erased (LIKE mail_stats_15s);
CREATE TABLE mail_stats_5m_erased (LIKE mail_stats_5m);
CREATE TABLE domain_stats_5m_erased (LIKE domain_stats_5m);

CREATE INDEX mail_stats_15s_erased_bucket ON mail_stats_15s_erased (bucket);
CREATE INDEX mail_stats_5m_erased_bucket ON mail_stats_5m_erased (bucket);
CREATE INDEX domain_stats_5m_erased_bucket ON domain_stats_5m_erased (bucket);

-- The chunks of mail_events that the job `roll_up` has seen: drop_chunks runs no trigger, so that the job notices which
-- are gone.
CREATE TABLE known_chunks (
    name        text        PRIMARY KEY,
    range_start timestamptz NOT NULL,
    range_end   timestamptz NOT NULL
);

-- Adds up the rows that a statement deletes, as queries/mail_stats.sql and domain_stats.sql do. Not those that the
-- collector deletes: it says so by `duckwatch.corrects`; a collector of an earlier version holds the lock of
-- reconciliation ("held"), and writes down in retention_horizons what retention deletes. With the rights of the tables'
-- owner: whoever may delete rows may know nothing of these tables. They are found in the schema of mail_events, also
-- after that was renamed; nobody's temporary table takes the place of one.
CREATE FUNCTION keep_erased() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    horizon timestamptz;
BEGIN
    IF current_setting('duckwatch.corrects', true) = 'on' OR EXISTS (
        SELECT FROM pg_locks
        WHERE pid = pg_backend_pid() AND locktype = 'advisory' AND (classid, objid, objsubid) = (0::oid, 1751477348::oid, 1)
    ) THEN
        RETURN NULL;
    END IF;
    PERFORM set_config('search_path', format('%I, pg_temp', TG_TABLE_SCHEMA), true);
    SELECT coalesce(max(gone_before), '-infinity') INTO horizon FROM retention_horizons WHERE relation = 'mail_events';
    INSERT INTO mail_stats_15s_erased
    SELECT date_bin('15 seconds', time, 'epoch'), cluster, zone, provider, local_ip, direction, action, reason,
           count(*), coalesce(sum(recipients), 0), least(coalesce(sum(size_bytes), 0), 9223372036854775807),
           count(*) FILTER (WHERE queue_ms <= 1000), count(*) FILTER (WHERE queue_ms <= 5000),
           count(*) FILTER (WHERE queue_ms <= 30000), count(*) FILTER (WHERE queue_ms <= 60000),
           count(*) FILTER (WHERE queue_ms <= 300000), count(*) FILTER (WHERE queue_ms <= 900000),
           count(*) FILTER (WHERE queue_ms <= 3600000), count(*) FILTER (WHERE queue_ms <= 14400000),
           count(*) FILTER (WHERE queue_ms <= 43200000), count(*) FILTER (WHERE queue_ms <= 86400000), count(queue_ms)
    FROM erased
    WHERE time >= horizon AND time >= coalesce((SELECT min(bucket) FROM mail_stats_15s), '-infinity')
    GROUP BY 1, 2, 3, 4, 5, 6, 7, 8;
    INSERT INTO mail_stats_5m_erased
    SELECT date_bin('5 minutes', time, 'epoch'), cluster, zone, provider, local_ip, direction, action, reason,
           count(*), coalesce(sum(recipients), 0), least(coalesce(sum(size_bytes), 0), 9223372036854775807),
           count(*) FILTER (WHERE queue_ms <= 1000), count(*) FILTER (WHERE queue_ms <= 5000),
           count(*) FILTER (WHERE queue_ms <= 30000), count(*) FILTER (WHERE queue_ms <= 60000),
           count(*) FILTER (WHERE queue_ms <= 300000), count(*) FILTER (WHERE queue_ms <= 900000),
           count(*) FILTER (WHERE queue_ms <= 3600000), count(*) FILTER (WHERE queue_ms <= 14400000),
           count(*) FILTER (WHERE queue_ms <= 43200000), count(*) FILTER (WHERE queue_ms <= 86400000), count(queue_ms)
    FROM erased
    WHERE time >= horizon
    GROUP BY 1, 2, 3, 4, 5, 6, 7, 8;
    INSERT INTO domain_stats_5m_erased
    SELECT date_bin('5 minutes', time, 'epoch'), cluster, sender_domain, provider, action, reason, count(*)
    FROM erased
    WHERE direction = 'outbound' AND time >= horizon
    GROUP BY 1, 2, 3, 4, 5, 6;
    RETURN NULL;
END
$$;

-- TRUNCATE names no rows: what the roll-ups hold is kept as it is.
CREATE FUNCTION keep_truncated() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF current_setting('duckwatch.corrects', true) = 'on' THEN
        RETURN NULL;
    END IF;
    PERFORM set_config('search_path', format('%I, pg_temp', TG_TABLE_SCHEMA), true);
    DELETE FROM mail_stats_15s_erased;
    INSERT INTO mail_stats_15s_erased SELECT * FROM mail_stats_15s;
    DELETE FROM mail_stats_5m_erased;
    INSERT INTO mail_stats_5m_erased SELECT * FROM mail_stats_5m;
    DELETE FROM domain_stats_5m_erased;
    INSERT INTO domain_stats_5m_erased SELECT * FROM domain_stats_5m;
    RETURN NULL;
END
$$;

-- Where the collector builds the roll-ups. TimescaleDB before 2.18 refuses the first trigger on a hypertable.
DO $$
BEGIN
    IF (SELECT relkind = 'r' FROM pg_class WHERE oid = 'mail_stats_5m'::regclass) THEN
        CREATE TRIGGER keep_truncated BEFORE TRUNCATE ON mail_events FOR EACH STATEMENT EXECUTE FUNCTION keep_truncated();
        CREATE TRIGGER keep_erased AFTER DELETE ON mail_events REFERENCING OLD TABLE AS erased
            FOR EACH STATEMENT EXECUTE FUNCTION keep_erased();
    END IF;
EXCEPTION
    WHEN feature_not_supported THEN
        NULL;
END
$$;
