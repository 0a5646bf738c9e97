-- Return the age, in seconds, of the oldest open transaction of this database; 0 if none is open.
-- Prepared transactions count too; they belong to no session. Without the right pg_read_all_stats, the start times of
-- other roles' sessions are hidden, and those sessions are missing here.
SELECT coalesce(greatest(0, extract(epoch FROM clock_timestamp() - min(began))), 0)::float8
FROM (
    SELECT xact_start FROM pg_stat_activity
    WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()
    UNION ALL
    SELECT prepared FROM pg_prepared_xacts WHERE database = current_database()
) AS transactions (began)
