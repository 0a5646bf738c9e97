-- The contexts that each host's living plugin processes name; null for a process that does not say, and where the table has no such column.
SELECT cluster, host, to_jsonb(plugin_reports) -> 'contexts'
FROM plugin_reports
WHERE received_at > now() - interval '5 minutes'
ORDER BY cluster, host
LIMIT 20000
