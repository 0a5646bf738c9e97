-- The events whose Message-ID the viewer typed, as a table `of_message_id`: as typed and in lower case.
-- Each value is asked for alone: TimescaleDB asks the Bloom filter of each compressed batch for one value only.
(
  SELECT * FROM mail_events WHERE message_id = '<' || {{trace/asked}} || '>'
  UNION ALL
  SELECT * FROM mail_events WHERE message_id = '<' || lower({{trace/asked}}) || '>'
    AND message_id <> '<' || {{trace/asked}} || '>'
  UNION ALL
  SELECT * FROM mail_events WHERE message_id = {{trace/asked}}
) AS of_message_id
