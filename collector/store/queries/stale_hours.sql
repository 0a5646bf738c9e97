-- Mark the hours of a width whose five-minute buckets were built again.
INSERT INTO stale_buckets
SELECT %(width)s, hour
FROM generate_series(
    date_bin('1 hour', %(start)s, 'epoch'), %(end)s - interval '1 microsecond', interval '1 hour'
) AS hour
ON CONFLICT DO NOTHING
