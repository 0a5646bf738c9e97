-- What leads to no further token, as while stock is taken, changes nothing about how far the feed was followed. No change was made in the
-- future: MongoDB's clock may be ahead, and a feed that is followed "until tomorrow" would skip a day when it takes stock.
UPDATE change_feeds AS feed
SET
    token = coalesce(come.token, feed.token),
    changed_at = CASE
        WHEN come.token IS NULL THEN feed.changed_at ELSE least(to_timestamp(come.until_ms / 1000.0), clock_timestamp())
    END
FROM (VALUES (%s::text, %s::bigint)) AS come (token, until_ms)
WHERE feed.cluster = %s AND feed.feed = %s AND feed.epoch = %s
RETURNING (extract(epoch FROM feed.changed_at) * 1000)::bigint
