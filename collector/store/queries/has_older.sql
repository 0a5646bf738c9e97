-- Return whether a relation has rows before a time.
SELECT EXISTS (SELECT FROM {relation} WHERE {column} < %s)
