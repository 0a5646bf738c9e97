-- Roll-ups of mail_events, and what keeps them (docs/storage.md). They are tables here; with TimescaleDB Community the
-- collector puts continuous aggregates of the same names and columns in their place (store/community.py). What each
-- column adds up: queries/mail_stats.sql.
CREATE TABLE mail_stats_15s (
    bucket       timestamptz NOT NULL,
    cluster      text,
    zone         text,
    provider     text,
    local_ip     text,
    direction    text,
    action       text,
    reason       text,
    events       bigint,
    recipients   bigint,
    bytes        bigint,
    queue_le_1s  bigint,
    queue_le_5s  bigint,
    queue_le_30s bigint,
    queue_le_1m  bigint,
    queue_le_5m  bigint,
    queue_le_15m bigint,
    queue_le_1h  bigint,
    queue_le_4h  bigint,
    queue_le_12h bigint,
    queue_le_1d  bigint,
    queue_count  bigint
);
CREATE TABLE mail_stats_5m (LIKE mail_stats_15s);
CREATE TABLE mail_stats_1h (LIKE mail_stats_15s);

CREATE TABLE domain_stats_5m (
    bucket        timestamptz NOT NULL,
    cluster       text,
    sender_domain text,
    provider      text,
    action        text,
    reason        text,
    events        bigint
);
CREATE TABLE domain_stats_1h (LIKE domain_stats_5m);

CREATE INDEX mail_stats_15s_bucket ON mail_stats_15s (bucket);
CREATE INDEX mail_stats_5m_bucket ON mail_stats_5m (bucket);
CREATE INDEX mail_stats_1h_bucket ON mail_stats_1h (bucket);
CREATE INDEX domain_stats_5m_bucket ON domain_stats_5m (bucket);
CREATE INDEX domain_stats_1h_bucket ON domain_stats_1h (bucket);

-- The 15-second buckets that a transaction wrote events into, noted in that transaction. Without an index and never
-- updated, so that writers do not wait for each other, and no mark is taken before the events that it stands for can be
-- seen.
CREATE TABLE touched_buckets (bucket timestamptz NOT NULL);

-- The buckets that are to be built anew.
CREATE TABLE stale_buckets (
    width  text        NOT NULL,
    bucket timestamptz NOT NULL,
    PRIMARY KEY (width, bucket)
);

-- What retention has let go: nothing of the relation is older. A bucket whose source is gone is never built anew, or
-- history would go with it.
CREATE TABLE retention_horizons (
    relation    text PRIMARY KEY,
    gone_before timestamptz NOT NULL
);

-- What was there before the roll-ups.
INSERT INTO stale_buckets
SELECT width, bucket
FROM (SELECT min(time) AS oldest, max(time) AS newest FROM mail_events) AS known,
     (VALUES ('15s', interval '15 seconds'), ('5m', interval '5 minutes')) AS widths (width, step),
     generate_series(date_bin(step, oldest, 'epoch'), newest, step) AS bucket;
