-- Compare a roll-up with the events of a range.
-- Returns the number of events that it must count, the number that it counts, whether any row differs, and whether a
-- bucket of the range still waits to be built.
WITH wanted AS ({built}), found AS (SELECT * FROM {relation} WHERE bucket >= {start} AND bucket < {end})
SELECT (SELECT coalesce(sum(events), 0)::bigint FROM wanted), (SELECT coalesce(sum(events), 0)::bigint FROM found),
       EXISTS ((TABLE wanted EXCEPT ALL TABLE found) UNION ALL (TABLE found EXCEPT ALL TABLE wanted)),
       EXISTS (SELECT FROM touched_buckets WHERE bucket >= {start} AND bucket < {end})
           OR EXISTS (SELECT FROM stale_buckets WHERE bucket >= {start} AND bucket < {end})
