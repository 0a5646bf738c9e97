-- The sending domains to choose from: `all`, and the thousand with the most events in the range,
-- of every cluster.
SELECT name AS __text, name AS __value
FROM (
  SELECT 'all' AS name, 0 AS place
  UNION ALL
  (
    SELECT coalesce(sender_domain, 'none'), 1
    FROM (
      SELECT sender_domain, events FROM domain_stats_5m
      WHERE $__timeTo()::timestamptz - $__timeFrom()::timestamptz <= INTERVAL '3 days'
        AND $__timeFrom()::timestamptz > now() - INTERVAL '80 days'
        AND $__timeFilter(bucket)
      UNION ALL
      SELECT sender_domain, events FROM domain_stats_1h
      WHERE (
          $__timeTo()::timestamptz - $__timeFrom()::timestamptz > INTERVAL '3 days'
          OR $__timeFrom()::timestamptz <= now() - INTERVAL '80 days'
        )
        AND $__timeFilter(bucket)
    ) AS fitting
    GROUP BY 1
    ORDER BY sum(events) DESC, 1
    LIMIT 1000
  )
) AS known
ORDER BY place, name
