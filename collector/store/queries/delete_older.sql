-- Delete a limited number of the oldest rows before a time.
-- The limit keeps each transaction short.
DELETE FROM {relation}
WHERE ctid = ANY (ARRAY(SELECT ctid FROM {relation} WHERE {column} < %s ORDER BY {column} LIMIT %s))
