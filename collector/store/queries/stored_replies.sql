-- Return the replies of a window, with what the rules need and what they once made of each.
SELECT time, event_id, cluster, response,
       action, mx_host, category,
       -- The whole of a reply that the column cut.
       CASE WHEN octet_length(response) > 990 THEN raw ->> 'response' END,
       CASE WHEN octet_length(response) > 990 THEN raw ->> 'responseText' END,
       coalesce(raw ->> 'protocol' = 'http', false),
       reason, bounce_kind, provider, provider_code, response_pattern, enhanced_code
FROM mail_events
WHERE time >= {start} AND time < {end}
  AND (response IS NOT NULL OR mx_host IS NOT NULL OR action IN ('deferred', 'bounced'))
