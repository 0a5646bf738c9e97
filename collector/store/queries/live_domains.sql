-- Return the counts of outbound mail by five seconds, sender domain and action: of watched domains, and of those with
-- the most mail.
WITH counts AS MATERIALIZED (
    SELECT floor(extract(epoch FROM time) / 5)::bigint * 5 AS second, sender_domain AS domain, action,
           sum(CASE WHEN action = ANY(%(of_messages)s) THEN coalesce(recipients, 0) ELSE 1 END)::bigint AS count
    FROM mail_events
    WHERE time >= %(start)s AND time < %(end)s AND direction = 'outbound' AND action = ANY(%(counted)s)
      AND sender_domain IS NOT NULL
    GROUP BY 1, 2, 3
), ranked AS MATERIALIZED (
    SELECT domain FROM counts GROUP BY domain ORDER BY sum(count) DESC, domain LIMIT %(domains)s
)
SELECT second, domain, action, count FROM counts
WHERE domain = ANY(%(watched)s) OR domain IN (SELECT domain FROM ranked)
