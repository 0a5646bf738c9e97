-- The newest snapshot of the queue in each bin of the range, as a table `moments` with the columns `at` and `time`.
-- One look into the index for each bin: a range of 30 days has too many snapshots to read them all.
(
  SELECT at, time
  FROM (
    SELECT
      at,
      (
        SELECT max(snapshot.time)
        FROM queue_snapshots AS snapshot
        WHERE snapshot.time >= bins.at
          AND snapshot.time < bins.at + INTERVAL '$__interval'
          AND $__timeFilter(snapshot.time)
          AND snapshot.domain IS NULL
      ) AS time
    FROM {{shared/bins}}
  ) AS newest
  WHERE time IS NOT NULL
) AS moments
