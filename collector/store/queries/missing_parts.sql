-- Return those wanted indexes and triggers that their table lacks: whether it is a trigger, and its name.
-- A relation that is missing, or that is no table (a roll-up of TimescaleDB Community is a view), lacks nothing.
WITH wanted AS (
    SELECT is_trigger, name, to_regclass(relation) AS oid
    FROM unnest(%s::boolean[], %s::text[], %s::text[]) AS wanted (is_trigger, name, relation)
)
SELECT is_trigger, name FROM wanted
JOIN pg_class USING (oid)
WHERE relkind IN ('r', 'p')
  AND CASE
      WHEN is_trigger THEN NOT EXISTS (SELECT FROM pg_trigger WHERE tgrelid = wanted.oid AND tgname = wanted.name)
      ELSE NOT EXISTS (
          SELECT FROM pg_index JOIN pg_class AS indexes ON indexes.oid = indexrelid
          WHERE indrelid = wanted.oid AND indexes.relname = wanted.name
      )
  END
