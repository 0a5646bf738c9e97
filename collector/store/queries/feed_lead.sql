-- Take a change stream over: from now on, a follower with an older epoch changes nothing.
-- A time in the future was stored while the database's clock was ahead. The feed's true position is then unknown, and a
-- day is read again. An event that is read twice is stored once.
INSERT INTO change_feeds AS feed (cluster, feed, epoch) VALUES (%s, %s, 1)
ON CONFLICT (cluster, feed) DO UPDATE SET
    epoch = feed.epoch + 1,
    changed_at = CASE
        WHEN feed.changed_at > clock_timestamp() THEN clock_timestamp() - interval '1 day' ELSE feed.changed_at
    END
RETURNING epoch, token, (extract(epoch FROM changed_at) * 1000)::bigint
