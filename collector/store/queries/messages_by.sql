-- The messages of a cluster that a complaint may be about, by its Message-ID or its X-FBL; two are as good as many. One complaint a
-- statement: of a value TimescaleDB asks each compressed batch's Bloom filter, of a join's or an array's it unpacks them all.
SELECT DISTINCT queue_id
FROM (
    SELECT queue_id, cluster, direction, action FROM mail_events WHERE {column} = %(value)s AND queue_id IS NOT NULL LIMIT %(rows)s
) AS e
WHERE cluster = %(cluster)s AND direction = 'outbound' AND action <> 'complained'
LIMIT 2
