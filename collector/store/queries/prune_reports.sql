DELETE FROM plugin_reports WHERE received_at < now() - interval '1 day'
