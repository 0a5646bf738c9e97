-- Define the hourly roll-up by sender's domain: add up the buckets of five minutes.
SELECT {bucket} AS bucket, cluster, sender_domain, provider, action, reason, sum(events)::bigint AS events
FROM domain_stats_5m
WHERE {window}
GROUP BY 1, 2, 3, 4, 5, 6
