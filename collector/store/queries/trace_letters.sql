-- Return those of the newest dead letters that contain a text.
-- No index helps with that, so only a limited number of letters is searched.
SELECT letter_id, received_at, cluster, source, reason, error
FROM (SELECT * FROM dead_letters ORDER BY received_at DESC LIMIT %(looked_into)s) AS newest
WHERE strpos(lower(raw COLLATE "C"), %(text)s) > 0
ORDER BY received_at DESC
LIMIT %(rows)s
