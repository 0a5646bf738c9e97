-- The chunks that there are; and a name of none, by which the first time is told from a time without any.
INSERT INTO known_chunks
SELECT chunk_name, range_start, range_end FROM timescaledb_information.chunks
WHERE hypertable_schema = current_schema() AND hypertable_name = 'mail_events'
UNION ALL VALUES ('', '-infinity'::timestamptz, '-infinity'::timestamptz)
ON CONFLICT DO NOTHING
