-- In slices, so that a large backlog holds no lock for long.
DELETE FROM dead_letters
WHERE letter_id IN (SELECT letter_id FROM dead_letters WHERE received_at < %s LIMIT 10000)
