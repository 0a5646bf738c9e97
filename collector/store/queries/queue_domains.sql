-- Return the 50 destinations with the most messages in each cluster's queue.
WITH counted AS (
    SELECT cluster, domain, state, count(*) AS messages, min(queued_at) AS oldest
    FROM queue_entries
    WHERE domain IS NOT NULL
    GROUP BY cluster, domain, state
), ranked AS (
    SELECT cluster, domain, row_number() OVER (PARTITION BY cluster ORDER BY sum(messages) DESC, domain) AS place
    FROM counted
    GROUP BY cluster, domain
)
SELECT cluster, NULL AS zone, domain, state, messages, oldest
FROM counted JOIN ranked USING (cluster, domain)
WHERE place <= 50
