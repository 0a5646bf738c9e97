-- Mark the hours whose five-minute buckets were built again.
INSERT INTO stale_buckets
SELECT '1h', hour
FROM generate_series(date_bin('1 hour', %s, 'epoch'), %s - interval '1 microsecond', interval '1 hour') AS hour
ON CONFLICT DO NOTHING
