-- Whether a roll-up differs from what it must hold of a range: how many events it must count, how many it does, whether they differ, and
-- whether the range is still to be built.
WITH wanted AS ({built}), found AS (SELECT * FROM {relation} WHERE bucket >= {start} AND bucket < {end})
SELECT (SELECT coalesce(sum(events), 0)::bigint FROM wanted), (SELECT coalesce(sum(events), 0)::bigint FROM found),
       EXISTS ((TABLE wanted EXCEPT ALL TABLE found) UNION ALL (TABLE found EXCEPT ALL TABLE wanted)),
       EXISTS (SELECT FROM touched_buckets WHERE bucket >= {start} AND bucket < {end})
           OR EXISTS (SELECT FROM stale_buckets WHERE bucket >= {start} AND bucket < {end})
