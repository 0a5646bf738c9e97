-- Return the ZoneMTA contexts that each host's live plugin processes report.
-- Null stands for a process that does not report them, and for a table without the column.
SELECT cluster, host, to_jsonb(plugin_reports) -> 'contexts'
FROM plugin_reports
WHERE received_at > now() - interval '5 minutes'
ORDER BY cluster, host
LIMIT 20000
