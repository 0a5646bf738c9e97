-- A slice, so that no transaction is long.
DELETE FROM {relation} WHERE ctid = ANY (ARRAY(SELECT ctid FROM {relation} WHERE {column} < %s ORDER BY {column} LIMIT %s))
