-- What backup roads told and the plugin may yet tell better: at most one word of each road for a slot
-- (collector/events/model/precedence.py). The job `reconcile` stores what is due and whose slot is empty; then `event`
-- is emptied, and stored_event_id and stored_time name the row of mail_events (and stored_action what it says), so that
-- a better word that comes late finds what it has to take over.
CREATE TABLE held_events (
    cluster         text        NOT NULL,
    queue_id        text        COLLATE "C" NOT NULL,
    seq             text        NOT NULL, -- '' for the whole message
    slot            text        NOT NULL,
    source          text        NOT NULL,
    time            timestamptz NOT NULL,
    received_at     timestamptz NOT NULL,
    is_unsendable   boolean     NOT NULL DEFAULT false,
    event           jsonb,
    stored_event_id text        COLLATE "C",
    stored_time     timestamptz,
    stored_action   text,
    PRIMARY KEY (queue_id, cluster, seq, slot, source)
);

CREATE INDEX held_events_waiting ON held_events (received_at) WHERE stored_time IS NULL;
CREATE INDEX held_events_stored ON held_events (stored_time) WHERE stored_time IS NOT NULL;
