-- End the sessions of the dashboards' role that take too long or hold an advisory lock.
-- A transaction may be too long by one query or by many. An advisory lock of that role could be one of ours.
SELECT pg_terminate_backend(a.pid)
FROM pg_stat_activity a
WHERE a.usename = 'duckwatch_reader' AND a.datname = current_database() AND a.pid <> pg_backend_pid()
  AND (a.xact_start < clock_timestamp() - %s::interval
       OR EXISTS (SELECT FROM pg_locks l WHERE l.pid = a.pid AND l.locktype = 'advisory'))
