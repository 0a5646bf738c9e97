-- A publication of all tables (logical replication, an upgrade by replication, a change-data-capture tool) makes
-- PostgreSQL refuse every DELETE and UPDATE on a table without a replica identity (SQLSTATE 55000). A primary key is
-- one. mail_events has a unique index, which its chunks take over; the others may hold the same row twice, so they have
-- all their columns as identity. It costs nothing while wal_level is not `logical`. A table that is in use for long, or
-- is not ours, is left: each start and the job `housekeeping` try again (collector/store/schema/replica_identity.py).
DO $$
DECLARE
    before text := current_setting('lock_timeout');
    name   text;
BEGIN
    PERFORM set_config('lock_timeout', '500ms', true);
    FOREACH name IN ARRAY ARRAY[
        'mail_events', 'mail_stats_15s', 'mail_stats_5m', 'mail_stats_1h', 'domain_stats_5m', 'domain_stats_1h',
        'mail_stats_15s_erased', 'mail_stats_5m_erased', 'domain_stats_5m_erased', 'touched_buckets', 'queue_snapshots'
    ] LOOP
        -- With TimescaleDB Community the roll-ups are views.
        CONTINUE WHEN NOT EXISTS (SELECT FROM pg_class WHERE oid = to_regclass(name) AND relkind = 'r');
        BEGIN
            EXECUTE format(
                'ALTER TABLE %I REPLICA IDENTITY %s', name,
                CASE name WHEN 'mail_events' THEN 'USING INDEX mail_events_identity' ELSE 'FULL' END
            );
        EXCEPTION
            WHEN lock_not_available OR insufficient_privilege OR feature_not_supported OR undefined_object THEN
                NULL;
        END;
    END LOOP;
    PERFORM set_config('lock_timeout', before, true);
END
$$;
