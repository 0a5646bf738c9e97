-- The one place where a mark becomes a bucket: a mark is any time within it, and the bucket is floored as `rollups.bucket_of` floors it.
-- A mark that can be seen stands for events that can be seen from the next statement on: one that is not yet committed keeps its own mark.
WITH taken AS (DELETE FROM touched_buckets RETURNING bucket)
INSERT INTO stale_buckets
SELECT DISTINCT width, date_bin(step, bucket, 'epoch')
FROM taken, (VALUES ('15s', interval '15 seconds'), ('5m', interval '5 minutes')) AS widths (width, step)
ON CONFLICT DO NOTHING
