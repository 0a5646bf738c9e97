-- Buckets that are not kept, or whose source is gone.
DELETE FROM stale_buckets
WHERE width = %(width)s
  AND bucket < greatest(%(kept_from)s, (SELECT gone_before FROM retention_horizons WHERE relation = %(source)s))
