-- Delete the marks of buckets that are built now.
DELETE FROM stale_buckets WHERE width = %s AND bucket >= %s AND bucket < %s
