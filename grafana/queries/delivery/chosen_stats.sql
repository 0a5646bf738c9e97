-- The attempts that the viewer chose, by bucket, provider, attempt and action, as a table `chosen_stats`.
-- If no zone and no sending address of the range is left out, the roll-up without them has the same counts in fewer
-- rows.
(
  WITH every AS MATERIALIZED (
    SELECT NOT EXISTS (
      SELECT FROM {{shared/attempt_totals}}
      WHERE cluster IN ($cluster)
        AND coalesce(provider, 'none') IN ($provider)
        AND NOT (coalesce(zone, 'none') IN ($zone) AND coalesce(local_ip, 'unknown') IN ($address))
    ) AS is_chosen
  )
  SELECT * FROM {{shared/provider_stats}}
  WHERE (SELECT is_chosen FROM every)
    AND cluster IN ($cluster)
    AND coalesce(provider, 'none') IN ($provider)
  UNION ALL
  SELECT
    bucket, cluster, provider, attempt, action, events, queue_le_1s, queue_le_5s, queue_le_30s, queue_le_1m,
    queue_le_5m, queue_le_15m, queue_le_1h, queue_le_4h, queue_le_12h, queue_le_1d, queue_count
  FROM {{shared/attempt_stats}}
  WHERE NOT (SELECT is_chosen FROM every)
    AND {{shared/chosen}}
) AS chosen_stats
