-- What DNS lists said of our addresses and domains, as the DNSBL exporter posts it: changes only (docs/events.md,
-- "DNSBL results").
CREATE TABLE dnsbl_results (
    time           timestamptz NOT NULL,
    cluster        text        NOT NULL,
    event_id       text        COLLATE "C" NOT NULL,
    host           text,
    target         text        COLLATE "C" NOT NULL,
    kind           text        NOT NULL,
    name           text,
    list           text        COLLATE "C" NOT NULL,
    verdict        text        NOT NULL,
    detail         text,
    codes          text[]      NOT NULL,
    meanings       text[]      NOT NULL,
    severity       text,
    reason         text,
    previous       text,
    standing       text,
    standing_since timestamptz,
    received_at    timestamptz NOT NULL,
    PRIMARY KEY (event_id, cluster, time)
);

CREATE INDEX dnsbl_results_time ON dnsbl_results (time);
CREATE INDEX dnsbl_results_newest ON dnsbl_results (cluster, target, list, time DESC);

-- What each list says of each target now: its newest result.
CREATE VIEW dnsbl_current AS
SELECT DISTINCT ON (cluster, target, list) *
FROM dnsbl_results
ORDER BY cluster, target, list, time DESC;
