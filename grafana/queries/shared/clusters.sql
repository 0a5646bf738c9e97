-- The clusters to choose from: those whose plugin has reported, and those of the newest events in the range.
-- The newest events only, because no index begins with `cluster`.
-- `default` is always among them: without any value, `IN ($cluster)` is a syntax error on an empty database.
SELECT cluster AS __text, cluster AS __value
FROM (
  SELECT cluster FROM plugin_reports
  UNION
  SELECT cluster
  FROM (SELECT cluster FROM mail_events WHERE $__timeFilter(time) ORDER BY time DESC LIMIT 10000) AS newest
  UNION
  SELECT 'default'
) AS known
ORDER BY 1
