-- Mark the buckets that hold these times.
-- `take_touched` alone works out which buckets those are.
INSERT INTO touched_buckets SELECT DISTINCT time FROM unnest(%s::timestamptz[]) AS time
