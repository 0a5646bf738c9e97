-- The role with which dashboards read (docs/dashboards.md). What it may do is decided by its grants: a viewer can undo
-- any setting of a session. What it may read is granted at each start (collector/store/schema/reader_role.py), so that
-- later relations join it. Where we may not make roles (managed databases), everything else goes on; the log and
-- `migrate` say what is missing.
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'duckwatch_reader') THEN
        RETURN;
    END IF;
    -- Without a password: until somebody gives it one, nobody can log in with one.
    CREATE ROLE duckwatch_reader LOGIN CONNECTION LIMIT 20;
    -- Kindnesses, not walls.
    ALTER ROLE duckwatch_reader SET default_transaction_read_only = on;
    ALTER ROLE duckwatch_reader SET statement_timeout = '30s';
    ALTER ROLE duckwatch_reader SET idle_in_transaction_session_timeout = '30s';
    -- So that we see its queries, and may end those that take too long.
    GRANT duckwatch_reader TO CURRENT_USER;
EXCEPTION
    WHEN insufficient_privilege OR duplicate_object OR unique_violation THEN
        NULL; -- the last two: another database of this server has made it in this moment
END
$$;

-- A viewer's sorts and joins may fill the disk otherwise; only a superuser may bound them.
DO $$
BEGIN
    ALTER ROLE duckwatch_reader SET temp_file_limit = '2GB';
EXCEPTION
    WHEN insufficient_privilege OR undefined_object OR internal_error THEN
        NULL;
END
$$;

-- Temporary tables are everybody's right in PostgreSQL, and would be a reader's way to fill the disk. Who writes events
-- keeps it.
DO $$
DECLARE
    writer name;
BEGIN
    IF NOT (SELECT pg_has_role(datdba, 'USAGE') FROM pg_database WHERE datname = current_database()) THEN
        RETURN; -- not ours to decide
    END IF;
    FOR writer IN
        SELECT rolname FROM pg_roles
        WHERE rolname !~ '^pg_' AND NOT rolsuper
          AND has_table_privilege(oid, 'mail_events', 'INSERT')
          AND has_database_privilege(oid, current_database(), 'TEMPORARY')
    LOOP
        EXECUTE format('GRANT TEMPORARY ON DATABASE %I TO %I', current_database(), writer);
    END LOOP;
    EXECUTE format('REVOKE TEMPORARY ON DATABASE %I FROM PUBLIC', current_database());
EXCEPTION
    WHEN internal_error THEN
        NULL; -- somebody else changes the database's rights in this moment: each start says what is amiss
END
$$;
