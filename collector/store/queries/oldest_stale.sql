-- The oldest bucket of some widths that waits to be built.
SELECT min(bucket) FROM stale_buckets WHERE width = ANY (%s)
