-- Count the outcomes of delivery attempts of a window by recipient domain. recipient_stats_bounded limits the domains.
SELECT {bucket} AS bucket, cluster, recipient_domain, provider, action, reason, count(*) AS events
FROM mail_events
WHERE direction = 'outbound' AND action IN ('delivered', 'deferred', 'bounced') AND {window}
GROUP BY 1, 2, 3, 4, 5, 6
