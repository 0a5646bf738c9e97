-- Every delivery event, once. The columns are collector/events/model/event.py:MailEvent; docs/events.md says what each
-- holds. event_id sorts by bytes ("C"), so that all rows of one message are a range scan: event_id begins with its
-- queue id.
CREATE TABLE mail_events (
    time             timestamptz NOT NULL,
    cluster          text        NOT NULL,
    host             text,
    event_id         text        COLLATE "C" NOT NULL,
    action           text        NOT NULL,
    source           text        NOT NULL,
    direction        text        NOT NULL,
    queue_id         text,
    seq              text,
    recipients       integer,
    message_id       text        COLLATE "C",
    zone             text,
    interface        text,
    auth_user        text,
    sender           text,
    sender_domain    text,
    return_path      text,
    recipient        text        COLLATE "C",
    recipient_domain text,
    mx_host          text,
    mx_ip            text,
    provider         text,
    local_ip         text,
    smtp_code        smallint,
    enhanced_code    text,
    category         text,
    reason           text,
    bounce_kind      text,
    provider_code    text,
    response         text,
    response_pattern text,
    attempt          integer,
    next_attempt     timestamptz,
    size_bytes       bigint,
    smtp_ms          integer,
    queue_ms         bigint,
    tls_version      text,
    tls_authorized   boolean,
    spam_score       real,
    fbl_id           text,
    drop_reason      text,
    subject_hmac     text,
    raw              jsonb,
    received_at      timestamptz NOT NULL
);

-- TimescaleDB, where it is installed in this database (either edition): a hypertable with chunks of one day. The unique
-- index of a hypertable must hold its time column; the time of an event is its sender's stamp, so a retry is the same
-- row. Its schema need not be on the search path, where another program's tables lie in it.
DO $$
DECLARE
    home name;
BEGIN
    SELECT nspname INTO home FROM pg_extension JOIN pg_namespace ON pg_namespace.oid = extnamespace WHERE extname = 'timescaledb';
    IF FOUND THEN
        EXECUTE format(
            'SELECT %I.create_hypertable(''mail_events'', ''time'', chunk_time_interval => interval ''1 day'', create_default_indexes => false)', home
        );
    END IF;
END
$$;

CREATE UNIQUE INDEX mail_events_identity ON mail_events (event_id, cluster, time);
CREATE INDEX mail_events_time ON mail_events (time DESC);
CREATE INDEX mail_events_message_id ON mail_events (message_id) WHERE message_id IS NOT NULL;
CREATE INDEX mail_events_recipient ON mail_events (recipient) WHERE recipient IS NOT NULL;

-- What cannot be stored, with its reason, until somebody looks (duckwatch-collector dead-letters). letter_id is derived
-- from the request, so that a replayed journal does not set an event aside twice.
CREATE TABLE dead_letters (
    letter_id   text        COLLATE "C" PRIMARY KEY,
    received_at timestamptz NOT NULL,
    cluster     text        NOT NULL,
    source      text        NOT NULL,
    reason      text        NOT NULL,
    error       text        NOT NULL,
    raw         text        NOT NULL
);

CREATE INDEX dead_letters_received_at ON dead_letters (received_at);

-- The newest report of each plugin process: the plugin gauges are read back from here.
CREATE TABLE plugin_reports (
    cluster       text        NOT NULL,
    host          text        NOT NULL,
    process       text        NOT NULL,
    version       text        NOT NULL,
    spool_bytes   bigint      NOT NULL,
    oldest_unsent timestamptz,
    dropped       bigint      NOT NULL,
    received_at   timestamptz NOT NULL,
    PRIMARY KEY (cluster, host, process)
);
