-- Return the size on disk, in bytes, of each plain table in our schema.
SELECT relname, pg_total_relation_size(oid)
FROM pg_class
WHERE relkind = 'r' AND relnamespace = quote_ident(current_schema())::regnamespace AND relname <> 'schema_migrations'
