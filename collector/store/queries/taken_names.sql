-- Return the relations and types of the first schema that have one of these names, as SCHEMA.NAME.
SELECT nspname || '.' || name FROM (
    SELECT relnamespace AS schema, relname AS name FROM pg_class
    UNION
    SELECT typnamespace, typname FROM pg_type
) AS named
JOIN pg_namespace ON pg_namespace.oid = schema
WHERE nspname = current_schema() AND name = ANY (%s::text[])
ORDER BY 1
