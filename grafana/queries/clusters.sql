-- The clusters to choose from: those whose plugin has reported, and those of the newest events in the range (bounded: no index
-- leads with cluster). `default` is always there: with no value at all, `IN ($cluster)` would be a syntax error on an empty database.
SELECT cluster AS __text, cluster AS __value
FROM (
  SELECT cluster FROM plugin_reports
  UNION
  SELECT cluster FROM (SELECT cluster FROM mail_events WHERE $__timeFilter(time) ORDER BY time DESC LIMIT 10000) AS newest
  UNION
  SELECT 'default'
) AS known
ORDER BY 1
