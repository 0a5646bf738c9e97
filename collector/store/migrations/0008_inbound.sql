-- What WildDuck's webhooks told (docs/events.md, "WildDuck's webhooks").
CREATE TABLE audit_events (
    time        timestamptz NOT NULL,
    cluster     text        NOT NULL,
    event_id    text        COLLATE "C" NOT NULL,
    ev          text        NOT NULL,
    user_id     text,
    mailbox     text,
    message     text,
    raw         jsonb,
    received_at timestamptz NOT NULL,
    PRIMARY KEY (event_id, cluster, time)
);

CREATE INDEX audit_events_time ON audit_events (time);
CREATE INDEX audit_events_user ON audit_events (user_id, time DESC) WHERE user_id IS NOT NULL;

-- Logins, good and bad (docs/events.md, "Logins"). A row may stand for several: WildDuck counts those that are alike.
CREATE TABLE auth_events (
    time        timestamptz NOT NULL,
    cluster     text        NOT NULL,
    event_id    text        COLLATE "C" NOT NULL,
    source      text        NOT NULL,
    protocol    text        NOT NULL,
    result      text        NOT NULL,
    user_id     text,
    username    text,
    source_ip   text,
    count       bigint      NOT NULL,
    raw         jsonb,
    received_at timestamptz NOT NULL,
    PRIMARY KEY (event_id, cluster, time)
);

CREATE INDEX auth_events_time ON auth_events (time);
CREATE INDEX auth_events_user ON auth_events (user_id, time DESC) WHERE user_id IS NOT NULL;

-- Dashboards see logins without whose they are.
CREATE VIEW auth_attempts AS
SELECT time, cluster, source, protocol, result, source_ip, count
FROM auth_events;

-- A complaint knows the message by its X-FBL where its Message-ID is taken out; and those whose message is still looked
-- for.
CREATE INDEX mail_events_fbl_id ON mail_events (fbl_id) WHERE fbl_id IS NOT NULL;
CREATE INDEX mail_events_complaints ON mail_events (received_at) WHERE action = 'complained' AND queue_id IS NULL;
