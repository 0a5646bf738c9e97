SELECT bucket FROM stale_buckets WHERE width = %s ORDER BY bucket DESC LIMIT %s
