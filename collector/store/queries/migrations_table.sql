-- Return the table that the name `schema_migrations` leads to: its schema, kind and columns.
-- It is read from the catalogue alone, so that no right on the table is needed. The setting
-- quote_all_identifiers quotes the names of types.
SELECT nspname, current_user, current_database(), coalesce(nspname = current_schema(), false), relkind IN ('r', 'p'),
       ARRAY(
           SELECT attname || ' ' || replace(format_type(atttypid, atttypmod), '"', '')
           FROM pg_attribute
           WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped
       )
FROM pg_class AS c JOIN pg_namespace ON pg_namespace.oid = relnamespace
WHERE c.oid = to_regclass('schema_migrations')
