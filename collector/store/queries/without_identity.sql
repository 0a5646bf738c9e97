-- Return those of our tables without a replica identity, and the unique index that can become one.
-- "Our tables" include those that TimescaleDB keeps behind continuous aggregates. Temporary and unlogged tables are
-- never published.
WITH aggregates AS (
         SELECT to_regclass(format('%%I.%%I', relation_schema, relation_name)) AS oid
         FROM ({behind}) AS behind (relation_schema, relation_name)
     ),
     ours AS (SELECT to_regclass(name)::oid AS oid FROM unnest(%s::text[]) AS name UNION SELECT oid FROM aggregates)
SELECT nspname, c.relname,
       (SELECT candidate.relname FROM pg_index JOIN pg_class AS candidate ON candidate.oid = indexrelid
        WHERE indrelid = c.oid AND indisunique AND indisvalid AND indimmediate AND indpred IS NULL AND indexprs IS NULL
          AND NOT EXISTS (SELECT FROM pg_attribute WHERE attrelid = c.oid AND attnum = ANY (indkey) AND NOT attnotnull)
        ORDER BY candidate.relname LIMIT 1)
FROM pg_class AS c JOIN ours USING (oid) JOIN pg_namespace ON pg_namespace.oid = relnamespace
WHERE relkind IN ('r', 'p') AND relpersistence = 'p'
  AND NOT CASE relreplident
      WHEN 'f' THEN true
      WHEN 'd' THEN EXISTS (SELECT FROM pg_index WHERE indrelid = c.oid AND indisprimary AND indisvalid)
      WHEN 'i' THEN EXISTS (SELECT FROM pg_index WHERE indrelid = c.oid AND indisreplident AND indisvalid)
      ELSE false
  END
ORDER BY nspname, c.relname
