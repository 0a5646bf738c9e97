-- Where each change stream has come to. Who follows it holds a session lock, and raises the epoch: a transaction of one
-- who has lost the lock without noticing finds another epoch, and changes nothing.
CREATE TABLE change_feeds (
    cluster    text        NOT NULL,
    feed       text        NOT NULL,
    epoch      bigint      NOT NULL DEFAULT 0,
    token      text, -- the resume token, as MongoDB's extended JSON
    changed_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (cluster, feed)
);

-- The queue as the change stream tells of it: a deletion names nothing but its _id. The queue's state is counted here,
-- not in MongoDB.
CREATE TABLE queue_entries (
    cluster   text        NOT NULL,
    mongo_id  text        COLLATE "C" NOT NULL,
    queue_id  text        NOT NULL,
    seq       text        NOT NULL,
    zone      text,
    domain    text,
    recipient text,
    state     text        NOT NULL,
    queued_at timestamptz NOT NULL,
    attempts  integer     NOT NULL DEFAULT 0,
    response  text,
    PRIMARY KEY (cluster, mongo_id)
);

-- The queue at some moments: by zone (domain is null), and the destinations with the most messages.
CREATE TABLE queue_snapshots (
    time     timestamptz NOT NULL,
    cluster  text        NOT NULL,
    zone     text,
    domain   text,
    state    text        NOT NULL,
    messages bigint      NOT NULL,
    oldest   timestamptz NOT NULL
);

CREATE INDEX queue_snapshots_time ON queue_snapshots (time DESC);
