-- Return the counts of outbound mail by second, zone and action. Zones beyond the limit have no name.
WITH counts AS MATERIALIZED (
    SELECT floor(extract(epoch FROM time))::bigint AS second, zone, action,
           sum(CASE WHEN action = ANY(%(of_messages)s) THEN coalesce(recipients, 0) ELSE 1 END)::bigint AS count
    FROM mail_events
    WHERE time >= %(start)s AND time < %(end)s AND direction = 'outbound' AND action = ANY(%(counted)s)
    GROUP BY 1, 2, 3
), ranked AS MATERIALIZED (
    SELECT zone FROM counts WHERE zone IS NOT NULL GROUP BY zone ORDER BY sum(count) DESC, zone LIMIT %(zones)s
)
SELECT second, CASE WHEN zone = ANY(%(known)s) OR zone IN (SELECT zone FROM ranked) THEN zone END, action,
       sum(count)::bigint
FROM counts
GROUP BY 1, 2, 3
