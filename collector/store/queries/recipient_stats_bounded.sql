-- Define the hourly roll-up by recipient domain: keep 5,000 domains of each hour and cluster, call the rest `other`.
-- Domains with the most bounces and deferrals come first, so that a small domain that refuses everything comes before a
-- large one without failures; then those with the most events.
WITH judged AS (
    SELECT *,
           coalesce(sum(events) FILTER (WHERE action <> 'delivered') OVER of_domain, 0) AS failures,
           sum(events) OVER of_domain AS volume
    FROM recipient_stats_1h
    WHERE {window}
    WINDOW of_domain AS (PARTITION BY bucket, cluster, recipient_domain)
), ranked AS (
    SELECT *,
           dense_rank() OVER (
               PARTITION BY bucket, cluster ORDER BY failures DESC, volume DESC, recipient_domain COLLATE "C"
           ) AS place
    FROM judged
)
SELECT {bucket} AS bucket, cluster, CASE WHEN place <= 5000 THEN recipient_domain ELSE 'other' END AS recipient_domain,
       provider, action, reason, sum(events)::bigint AS events
FROM ranked
GROUP BY 1, 2, 3, 4, 5, 6
