-- Store how far a change stream was followed.
-- Without a new token, as during a full read of the collection, the time stays as it was. A change time in the future
-- is replaced by now: MongoDB's clock may be ahead, and a feed that is followed "until tomorrow" would skip a day at
-- its next full read.
UPDATE change_feeds AS feed
SET
    token = coalesce(come.token, feed.token),
    changed_at = CASE
        WHEN come.token IS NULL THEN feed.changed_at ELSE least(to_timestamp(come.until_ms / 1000.0), clock_timestamp())
    END
FROM (VALUES (%s::text, %s::bigint)) AS come (token, until_ms)
WHERE feed.cluster = %s AND feed.feed = %s AND feed.epoch = %s
RETURNING (extract(epoch FROM feed.changed_at) * 1000)::bigint
