-- Define the five-minute roll-up by sender's domain: count outbound events of a window.
SELECT {bucket} AS bucket, cluster, sender_domain, provider, action, reason, count(*) AS events
FROM mail_events
WHERE direction = 'outbound' AND {window}
GROUP BY 1, 2, 3, 4, 5, 6
