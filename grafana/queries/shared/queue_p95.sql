-- The waiting time in seconds that 95 of 100 stay below, read from the histogram as Prometheus' histogram_quantile
-- does; a day where it is longer. Null where nothing is known.
CASE
    WHEN queue_count > 0 THEN coalesce(
      (
        SELECT low + (high - low) * (0.95 * queue_count - below)::float8 / (upto - below)
        FROM {{shared/queue_steps}}
        WHERE upto >= 0.95 * queue_count
        ORDER BY high
        LIMIT 1
      ),
      86400
    )
  END
