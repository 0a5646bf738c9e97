-- Delete the marks of buckets that are no longer kept, or whose source rows are deleted.
DELETE FROM stale_buckets
WHERE width = %(width)s
  AND bucket < greatest(%(kept_from)s, (SELECT gone_before FROM retention_horizons WHERE relation = %(source)s))
