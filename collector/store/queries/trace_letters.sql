-- Which of the newest dead letters hold a text. No index helps to look into them, so only so many are looked into.
SELECT letter_id, received_at, cluster, source, reason, error
FROM (SELECT * FROM dead_letters ORDER BY received_at DESC LIMIT %(looked_into)s) AS newest
WHERE strpos(lower(raw COLLATE "C"), %(text)s) > 0
ORDER BY received_at DESC
LIMIT %(rows)s
