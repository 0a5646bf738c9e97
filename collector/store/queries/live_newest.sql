-- Return the newest events of the last day, without their people.
SELECT (extract(epoch FROM time) * 1000)::bigint, action, sender_domain, recipient_domain, provider, reason,
       response_pattern
FROM mail_events
WHERE time > %(end)s - interval '1 day' AND time <= %(end)s
ORDER BY time DESC
LIMIT %(newest)s
