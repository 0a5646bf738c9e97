-- The lines of a state timeline, from the rows of `states` (time, metric, state), with one row where there are none.
-- Each line is repeated at the changes of the others: Grafana 10.1 leaves a gap there, whatever spanNulls says.
-- `none` is the metric and the state of that one row, because a state timeline takes no rows for an error.
(
  SELECT time, metric, max(state) OVER (PARTITION BY metric, part) AS state
  FROM (
    SELECT time, metric, state, count(state) OVER (PARTITION BY metric ORDER BY time) AS part
    FROM (SELECT DISTINCT time FROM states) AS times
    CROSS JOIN (SELECT DISTINCT metric FROM states) AS metrics
    LEFT JOIN states USING (time, metric)
  ) AS parts
  WHERE part > 0
  UNION ALL
  SELECT $__timeFrom()::timestamptz, {{none}} WHERE NOT EXISTS (SELECT FROM states)
) AS filled
