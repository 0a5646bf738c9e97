-- Return the newest buckets of a width that wait to be built.
SELECT bucket FROM stale_buckets WHERE width = %s ORDER BY bucket DESC LIMIT %s
