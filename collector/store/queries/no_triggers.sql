-- Drop the triggers on mail_events that note deleted rows.
-- A continuous aggregate is refreshed from the rows alone.
DROP TRIGGER IF EXISTS keep_erased ON mail_events;
DROP TRIGGER IF EXISTS keep_truncated ON mail_events;
DROP TRIGGER IF EXISTS keep_erased_outcomes ON mail_events;
DROP TRIGGER IF EXISTS keep_truncated_outcomes ON mail_events
