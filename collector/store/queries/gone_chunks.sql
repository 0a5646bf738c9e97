-- Return the dropped chunks of mail_events, newest first.
SELECT name, range_start, range_end FROM known_chunks
WHERE NOT EXISTS (
    SELECT FROM timescaledb_information.chunks AS c
    WHERE c.hypertable_schema = current_schema() AND c.hypertable_name = 'mail_events'
      AND c.chunk_name = known_chunks.name
)
  AND range_start < coalesce(%(end)s, 'infinity'::timestamptz)
  AND range_end > coalesce(%(start)s, '-infinity'::timestamptz)
ORDER BY range_end DESC
