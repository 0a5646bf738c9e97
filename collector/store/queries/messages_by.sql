-- Return the messages that a complaint may be about, by Message-ID or X-FBL; at most two.
-- Ask for one complaint at a time: for one value TimescaleDB asks the Bloom filter of each compressed batch, for a join
-- or an array it decompresses them all.
SELECT DISTINCT queue_id
FROM (
    SELECT queue_id, cluster, direction, action
    FROM mail_events
    WHERE {column} = %(value)s AND queue_id IS NOT NULL
    LIMIT %(rows)s
) AS e
WHERE cluster = %(cluster)s AND direction = 'outbound' AND action <> 'complained'
LIMIT 2
