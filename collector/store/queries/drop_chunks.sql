SELECT drop_chunks(%s::regclass, older_than => %s::timestamptz)
