-- The attempts of the range from a roll-up of fewer columns than attempt_stats, as a table of the name `relation`.
-- `columns` are its columns.
-- 5 minutes up to three days, an hour beyond, as shared/attempt_stats.
-- An upgrade builds the newest bucket first: until the oldest of the range is built, shared/attempt_stats is read.
(
  WITH known AS MATERIALIZED (
    SELECT
      CASE
        WHEN $__timeTo()::timestamptz - $__timeFrom()::timestamptz <= INTERVAL '3 days'
          AND $__timeFrom()::timestamptz > now() - INTERVAL '80 days'
        THEN EXISTS (
          SELECT FROM {{relation}}_5m
          WHERE bucket = (
            SELECT min(bucket) FROM attempt_stats_5m
            WHERE bucket >= date_bin('5 minutes', $__timeFrom()::timestamptz, TIMESTAMPTZ 'epoch')
          )
        )
        ELSE EXISTS (
          SELECT FROM {{relation}}_1h
          WHERE bucket = (
            SELECT min(bucket) FROM attempt_stats_1h
            WHERE bucket >= date_bin('1 hour', $__timeFrom()::timestamptz, TIMESTAMPTZ 'epoch')
          )
        )
      END AS is_built
  )
  SELECT * FROM {{relation}}_5m
  WHERE $__timeTo()::timestamptz - $__timeFrom()::timestamptz <= INTERVAL '3 days'
    AND $__timeFrom()::timestamptz > now() - INTERVAL '80 days'
    AND (SELECT is_built FROM known)
    AND bucket >= date_bin('5 minutes', $__timeFrom()::timestamptz, TIMESTAMPTZ 'epoch')
    AND bucket < $__timeTo()::timestamptz
  UNION ALL
  SELECT * FROM {{relation}}_1h
  WHERE (
      $__timeTo()::timestamptz - $__timeFrom()::timestamptz > INTERVAL '3 days'
      OR $__timeFrom()::timestamptz <= now() - INTERVAL '80 days'
    )
    AND (SELECT is_built FROM known)
    AND bucket >= date_bin('1 hour', $__timeFrom()::timestamptz, TIMESTAMPTZ 'epoch')
    AND bucket < $__timeTo()::timestamptz
  UNION ALL
  SELECT{{columns}}
  FROM {{shared/attempt_stats}}
  WHERE NOT (SELECT is_built FROM known)
) AS {{relation}}
