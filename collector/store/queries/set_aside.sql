-- Insert a dead letter, unless it is there.
INSERT INTO dead_letters (letter_id, received_at, cluster, source, reason, error, raw)
VALUES (%s, to_timestamp(%s / 1000.0), %s, %s, %s, %s, %s)
ON CONFLICT (letter_id) DO NOTHING
