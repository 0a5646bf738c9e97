-- The marks of buckets that no refresh reaches, since rows of that time were deleted by hand; TimescaleDB has marks of its own for the rest.
WITH taken AS (DELETE FROM touched_buckets RETURNING bucket)
INSERT INTO stale_buckets
SELECT DISTINCT width, date_bin(step, bucket, 'epoch')
FROM taken, (VALUES ('15s', interval '15 seconds'), ('5m', interval '5 minutes')) AS widths (width, step)
WHERE bucket < %s
ON CONFLICT DO NOTHING
