-- Delete the heartbeats of plugin processes that have been silent for a day.
DELETE FROM plugin_reports WHERE received_at < now() - interval '1 day'
