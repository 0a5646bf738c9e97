-- Define the daily roll-up by recipient domain: add up the hours of a day, and note the first and the last one.
SELECT {bucket} AS bucket, cluster, recipient_domain, provider, action, reason, sum(events)::bigint AS events,
       min(bucket) AS first_hour, max(bucket) AS last_hour
FROM recipient_stats_1h
WHERE {window}
GROUP BY 1, 2, 3, 4, 5, 6
