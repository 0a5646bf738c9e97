-- The clusters that have ever sent an event, found by hopping over the index on cluster: the table is never read.
-- `default` is always among them: with no value at all, `IN ($cluster)` would be a syntax error on an empty database.
WITH RECURSIVE found AS (
  (SELECT cluster FROM mail_events ORDER BY cluster LIMIT 1)
  UNION ALL
  SELECT (SELECT e.cluster FROM mail_events e WHERE e.cluster > found.cluster ORDER BY e.cluster LIMIT 1)
  FROM found
  WHERE found.cluster IS NOT NULL
)
SELECT cluster AS __text, cluster AS __value FROM found WHERE cluster IS NOT NULL
UNION
SELECT 'default', 'default'
ORDER BY 1
