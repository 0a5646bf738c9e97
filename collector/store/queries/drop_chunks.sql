-- Drop the chunks of a relation that are older than a time.
SELECT drop_chunks(%s::regclass, older_than => %s::timestamptz)
