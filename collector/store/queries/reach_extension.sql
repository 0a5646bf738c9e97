-- Puts TimescaleDB's schema last on the session's search path where it is not on it: its functions are called by their names alone.
-- Not where that would show tables that are not ours as ours: before our schema is there, or beside another program's migrations.
-- By the catalogue alone: to_regclass with a schema in its name is refused where the role may not use that schema (pg_toast, say).
SELECT set_config('search_path', current_setting('search_path') || ', ' || quote_ident(nspname), false)
FROM pg_extension JOIN pg_namespace ON pg_namespace.oid = extnamespace
WHERE extname = 'timescaledb' AND nspname <> ALL (current_schemas(true)) AND current_schema() IS NOT NULL
  AND (to_regclass('schema_migrations') IS NOT NULL OR NOT EXISTS (SELECT FROM pg_class WHERE relnamespace = extnamespace AND relname = 'schema_migrations'))
