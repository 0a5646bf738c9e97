-- Marks the buckets that hold these times. Which buckets they are is worked out in `take_touched` alone.
INSERT INTO touched_buckets SELECT DISTINCT time FROM unnest(%s::timestamptz[]) AS time
