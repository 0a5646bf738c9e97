-- Note the chunks that exist now.
-- The chunk with the empty name shows that chunks have been noted, even when there is none.
INSERT INTO known_chunks
SELECT chunk_name, range_start, range_end FROM timescaledb_information.chunks
WHERE hypertable_schema = current_schema() AND hypertable_name = 'mail_events'
UNION ALL VALUES ('', '-infinity'::timestamptz, '-infinity'::timestamptz)
ON CONFLICT DO NOTHING
