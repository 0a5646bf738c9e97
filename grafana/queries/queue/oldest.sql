-- The age in seconds of the oldest recipient's message in each zone, in the newest snapshot of each bin.
SELECT
  at AS time,
  coalesce(zone, 'none') AS metric,
  greatest(extract(epoch FROM max(time) - min(oldest)), 0)::float8 AS age
FROM {{shared/queue_moments}}
JOIN queue_snapshots USING (time)
WHERE domain IS NULL AND cluster IN ($cluster)
GROUP BY 1, 2
ORDER BY 1, 2
