-- Turn all marks into buckets to build.
-- A mark is any time within a bucket. This and `rollups.building.bucket_of` are the only places that floor a time to
-- its bucket. A visible mark means that the next statement sees its events: an uncommitted event keeps its own mark.
WITH taken AS (DELETE FROM touched_buckets RETURNING bucket)
INSERT INTO stale_buckets
SELECT DISTINCT width, date_bin(step, bucket, 'epoch')
FROM taken, (VALUES ('15s', interval '15 seconds'), ('5m', interval '5 minutes')) AS widths (width, step)
ON CONFLICT DO NOTHING
