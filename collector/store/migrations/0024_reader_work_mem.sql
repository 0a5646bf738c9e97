-- A panel over 30 days sorts and groups up to a million rows of a roll-up. In the 4 MB of PostgreSQL's default it does
-- so on disk, and the list of replies took three times as long.
DO $$
BEGIN
    ALTER ROLE duckwatch_reader SET work_mem = '64MB';
EXCEPTION
    WHEN insufficient_privilege OR undefined_object OR internal_error THEN
        NULL; -- not ours, not there, or changed by another database's migration in this moment: slower, no more
END
$$;
