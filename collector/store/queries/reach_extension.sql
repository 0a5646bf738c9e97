-- Add TimescaleDB's schema to the end of the session's search path, where it is missing.
-- TimescaleDB's functions are called without a schema name. The schema is not added where tables in it could be taken
-- for ours: before our schema exists, or beside another program's migrations. This reads the catalogue alone:
-- to_regclass with a schema name is refused where the role may not use that schema, such as pg_toast.
SELECT set_config('search_path', current_setting('search_path') || ', ' || quote_ident(nspname), false)
FROM pg_extension JOIN pg_namespace ON pg_namespace.oid = extnamespace
WHERE extname = 'timescaledb' AND nspname <> ALL (current_schemas(true)) AND current_schema() IS NOT NULL
  AND (
      to_regclass('schema_migrations') IS NOT NULL
      OR NOT EXISTS (SELECT FROM pg_class WHERE relnamespace = extnamespace AND relname = 'schema_migrations')
  )
