-- The hours of five minutes that were built anew.
INSERT INTO stale_buckets
SELECT '1h', hour
FROM generate_series(date_bin('1 hour', %s, 'epoch'), %s - interval '1 microsecond', interval '1 hour') AS hour
ON CONFLICT DO NOTHING
