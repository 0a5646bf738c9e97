-- Complaints that duckwatch_mail_complaints_total has not counted yet
-- (docs/decisions.md, "A complaint is counted once, by the note that its transaction leaves").
-- The transaction that stores a complaint notes it here. The job `complaints` deletes the note in the transaction that
-- ends the search for the message, and counts it after that.
CREATE TABLE pending_complaints (
    cluster       text        NOT NULL,
    event_id      text        COLLATE "C" NOT NULL,
    time          timestamptz NOT NULL,
    received_at   timestamptz NOT NULL,
    is_searchable boolean     NOT NULL,
    PRIMARY KEY (event_id, cluster, time)
);

-- Complaints whose message is still looked for now.
INSERT INTO pending_complaints
SELECT cluster, event_id, time, received_at, message_id IS NOT NULL OR fbl_id IS NOT NULL
FROM mail_events
WHERE action = 'complained' AND queue_id IS NULL AND received_at > now() - interval '1 day';

-- Whether a pattern was seen within a week is asked of one range of the index, however long patterns are kept.
DROP INDEX pattern_stats_1h_pattern;
CREATE INDEX pattern_stats_1h_pattern ON pattern_stats_1h (response_pattern, cluster, bucket);
