-- Return the oldest bucket that waits to be built, of some widths.
SELECT min(bucket) FROM stale_buckets WHERE width = ANY (%s)
