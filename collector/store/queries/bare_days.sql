-- Return the days whose events a roll-up counts and no chunk holds.
-- The rows of such a day were deleted before chunks were noted in known_chunks.
SELECT day.start, day.start + interval '1 day'
FROM (SELECT DISTINCT date_bin('1 day', bucket, 'epoch') AS start FROM mail_stats_1h) AS day
WHERE NOT EXISTS (
    SELECT FROM timescaledb_information.chunks AS c
    WHERE c.hypertable_schema = current_schema() AND c.hypertable_name = 'mail_events'
      AND c.range_start < day.start + interval '1 day' AND c.range_end > day.start
)
