-- Turn the marks of buckets that no refresh reaches into buckets to build.
-- Rows of that time were deleted by hand. For later buckets TimescaleDB keeps its own marks.
WITH taken AS (DELETE FROM touched_buckets RETURNING bucket)
INSERT INTO stale_buckets
SELECT DISTINCT width, date_bin(step, bucket, 'epoch')
FROM taken, (VALUES ('15s', interval '15 seconds'), ('5m', interval '5 minutes')) AS widths (width, step)
WHERE bucket < %s
ON CONFLICT DO NOTHING
