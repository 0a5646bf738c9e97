DELETE FROM stale_buckets WHERE width = %s AND bucket >= %s AND bucket < %s
