-- Takes a feed over: from now on nobody with an older epoch changes anything.
INSERT INTO change_feeds (cluster, feed, epoch) VALUES (%s, %s, 1)
ON CONFLICT (cluster, feed) DO UPDATE SET epoch = change_feeds.epoch + 1
RETURNING epoch, token, (extract(epoch FROM changed_at) * 1000)::bigint
