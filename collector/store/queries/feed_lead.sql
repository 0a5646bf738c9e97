-- Takes a feed over: from now on nobody with an older epoch changes anything. A time in the future was stored while the database's clock was
-- ahead: how far the feed was followed is then unknown, and a day is read again (what is told twice is one row).
INSERT INTO change_feeds AS feed (cluster, feed, epoch) VALUES (%s, %s, 1)
ON CONFLICT (cluster, feed) DO UPDATE SET
    epoch = feed.epoch + 1,
    changed_at = CASE WHEN feed.changed_at > clock_timestamp() THEN clock_timestamp() - interval '1 day' ELSE feed.changed_at END
RETURNING epoch, token, (extract(epoch FROM changed_at) * 1000)::bigint
