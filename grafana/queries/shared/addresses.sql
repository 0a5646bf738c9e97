-- The sending addresses to choose from: those of the range.
-- `unknown` is always among them: it stands for null, and without any value `IN (…)` is a syntax error.
SELECT name AS __text, name AS __value
FROM (
  SELECT coalesce(local_ip, 'unknown') AS name FROM {{shared/attempt_totals}}
  UNION
  SELECT 'unknown'
) AS known
ORDER BY 1
