-- The newest events of one recipient, in order: without the time, a busy recipient's rows were all fetched and sorted
-- for a hundred of them.
CREATE INDEX mail_events_recipient_time ON mail_events (recipient, time DESC) WHERE recipient IS NOT NULL;
DROP INDEX mail_events_recipient;
