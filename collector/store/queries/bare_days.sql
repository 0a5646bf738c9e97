-- Days that a roll-up counts events of and that no chunk covers: their rows were deleted before chunks were noted.
SELECT day.start, day.start + interval '1 day'
FROM (SELECT DISTINCT date_bin('1 day', bucket, 'epoch') AS start FROM mail_stats_1h) AS day
WHERE NOT EXISTS (
    SELECT FROM timescaledb_information.chunks AS c
    WHERE c.hypertable_schema = current_schema() AND c.hypertable_name = 'mail_events'
      AND c.range_start < day.start + interval '1 day' AND c.range_end > day.start
)
