-- The providers to choose from: those of the range.
-- `none` is always among them: it stands for null, and without any value `IN (…)` is a syntax error.
SELECT name AS __text, name AS __value
FROM (
  SELECT coalesce(provider, 'none') AS name FROM {{shared/provider_stats}}
  UNION
  SELECT 'none'
) AS known
ORDER BY 1
