-- The recipients that wait in each zone, in the newest snapshot of each bin.
-- A zone that is not in a snapshot is empty at that moment.
WITH moments AS MATERIALIZED (
  SELECT * FROM {{shared/queue_moments}}
), found AS (
  SELECT at, coalesce(zone, 'none') AS zone, sum(messages) AS recipients
  FROM moments JOIN queue_snapshots USING (time)
  WHERE domain IS NULL AND cluster IN ($cluster)
  GROUP BY 1, 2
)
SELECT at AS time, zone AS metric, coalesce(recipients, 0)::bigint AS recipients
FROM moments
CROSS JOIN (SELECT DISTINCT zone FROM found) AS zones
LEFT JOIN found USING (at, zone)
ORDER BY 1, 2
