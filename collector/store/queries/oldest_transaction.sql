-- How long the oldest open transaction of this database has been open, in seconds; 0 when none is. Prepared ones are no session's.
-- Sessions of other roles show no time to one who may not read pg_read_all_stats: they are missing here.
SELECT coalesce(greatest(0, extract(epoch FROM clock_timestamp() - min(began))), 0)::float8
FROM (
    SELECT xact_start FROM pg_stat_activity
    WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()
    UNION ALL
    SELECT prepared FROM pg_prepared_xacts WHERE database = current_database()
) AS transactions (began)
