-- The zones to choose from: those of the range.
-- `none` is always among them: it stands for null, and without any value `IN (…)` is a syntax error.
SELECT name AS __text, name AS __value
FROM (
  SELECT coalesce(zone, 'none') AS name FROM {{shared/attempt_totals}}
  UNION
  SELECT 'none'
) AS known
ORDER BY 1
