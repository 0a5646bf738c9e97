-- Deferrals and bounces by their time: the dashboards ask for those of a day, which are one event in six or fewer.
-- By `mail_events_time` the other events were read as well, and thrown away.
CREATE INDEX mail_events_failures ON mail_events (time DESC)
WHERE direction = 'outbound' AND action IN ('deferred', 'bounced');
