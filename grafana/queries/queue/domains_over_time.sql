-- The recipients that wait for the ten destinations with the most, in the newest snapshot of each bin.
-- Destinations are counted once a minute; a destination that is not in a snapshot of destinations was below the top 50.
WITH snapshots AS MATERIALIZED (
  SELECT
    at,
    (
      SELECT max(snapshot.time)
      FROM queue_snapshots AS snapshot
      WHERE snapshot.time >= bins.at
        AND snapshot.time < bins.at + INTERVAL '$__interval'
        AND $__timeFilter(snapshot.time)
        AND snapshot.domain IS NOT NULL
    ) AS time
  FROM {{shared/bins}}
), found AS (
  SELECT at, domain, sum(messages) AS recipients
  FROM snapshots JOIN queue_snapshots USING (time)
  WHERE domain IS NOT NULL AND cluster IN ($cluster)
  GROUP BY 1, 2
), largest AS (
  SELECT domain FROM found GROUP BY 1 ORDER BY sum(recipients) DESC, domain LIMIT 10
)
SELECT at AS time, domain AS metric, coalesce(recipients, 0)::bigint AS recipients
FROM (SELECT DISTINCT at FROM found) AS bins
CROSS JOIN largest
LEFT JOIN found USING (at, domain)
ORDER BY 1, 2
