-- Return what others have put on our tables, and by which the database may refuse what we write: kind, table, name.
-- What belongs to an extension (TimescaleDB's own triggers) is left out, and so are the triggers of our migrations.
WITH ours AS (SELECT to_regclass(name)::oid AS oid, name FROM unnest(%(tables)s::text[]) AS name),
     functions AS (
         SELECT pg_proc.oid FROM pg_proc
         JOIN pg_class ON pg_class.oid = to_regclass('mail_events') AND relnamespace = pronamespace
         WHERE proname = ANY (%(functions)s::text[])
     ),
     extensions AS (SELECT classid, objid FROM pg_depend WHERE deptype = 'e')
SELECT 'row security', name, name FROM ours WHERE ours.oid IS NOT NULL AND row_security_active(ours.oid)
UNION ALL
SELECT 'trigger', name, tgname FROM pg_trigger JOIN ours ON ours.oid = tgrelid
WHERE NOT tgisinternal AND tgenabled <> 'D' AND ('pg_proc'::regclass, tgfoid) NOT IN (SELECT * FROM extensions)
  AND tgfoid NOT IN (SELECT oid FROM functions)
UNION ALL
SELECT 'event trigger', '', evtname FROM pg_event_trigger
WHERE evtenabled <> 'D' AND ('pg_proc'::regclass, evtfoid) NOT IN (SELECT * FROM extensions)
UNION ALL
SELECT 'rule', name, rulename FROM pg_rewrite JOIN ours ON ours.oid = ev_class
UNION ALL
SELECT 'constraint', name, conname FROM pg_constraint
JOIN ours ON ours.oid = conrelid OR ours.oid = confrelid AND contype = 'f'
WHERE contype IN ('f', 'c', 'x', 'u', 't')
  AND NOT EXISTS (SELECT FROM pg_trigger WHERE tgconstraint = pg_constraint.oid AND contype = 't')
UNION ALL
SELECT 'unique index', name, relname FROM pg_index
JOIN ours ON ours.oid = indrelid
JOIN pg_class ON pg_class.oid = indexrelid
WHERE indisunique AND NOT indisprimary AND relname NOT IN ('mail_events_identity', 'reply_patterns_identity')
  AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid)
ORDER BY 1, 2, 3
