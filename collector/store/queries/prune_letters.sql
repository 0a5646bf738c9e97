-- Delete a limited number of old dead letters.
-- The limit keeps the locks of a large backlog short.
DELETE FROM dead_letters
WHERE letter_id IN (SELECT letter_id FROM dead_letters WHERE received_at < %s LIMIT 10000)
