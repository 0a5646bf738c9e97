-- Complaints whose message is not known yet find it by its Message-ID, else by its X-FBL: the message must be the only one, and of its
-- recipients the one that complained, if the report says who, else the only one. What is found is written by `tell_complaint`.
WITH unmatched AS (
    SELECT event_id, cluster, time, message_id, fbl_id, recipient
    FROM mail_events
    WHERE action = 'complained' AND queue_id IS NULL AND received_at > %(since)s
      AND (message_id IS NOT NULL OR fbl_id IS NOT NULL)
    ORDER BY received_at DESC
    LIMIT %(limit)s
), candidates AS (
    SELECT u.event_id, u.cluster, u.time, u.recipient AS complainer, m.queue_id, m.seq, m.action, m.zone, m.auth_user, m.local_ip,
        m.provider, m.sender, m.sender_domain, m.recipient, m.recipient_domain
    FROM unmatched AS u
    CROSS JOIN LATERAL (
        (SELECT * FROM mail_events AS e WHERE e.message_id = u.message_id AND e.queue_id IS NOT NULL LIMIT %(rows)s)
        UNION ALL
        (
            SELECT * FROM mail_events AS e WHERE e.fbl_id = u.fbl_id AND e.queue_id IS NOT NULL AND NOT EXISTS (
                SELECT FROM mail_events AS x WHERE x.message_id = u.message_id AND x.queue_id IS NOT NULL
            )
            LIMIT %(rows)s
        )
    ) AS m
    WHERE m.cluster = u.cluster AND m.direction = 'outbound' AND m.action <> 'complained'
), messages AS (
    -- One message, or none: a Message-ID that was used twice says nothing.
    SELECT event_id, cluster, time, min(queue_id) AS queue_id,
        max(auth_user) AS auth_user, max(sender) AS sender, max(sender_domain) AS sender_domain,
        CASE WHEN min(zone) = max(zone) THEN min(zone) END AS zone,
        CASE WHEN min(local_ip) = max(local_ip) THEN min(local_ip) END AS local_ip,
        CASE WHEN min(provider) = max(provider) THEN min(provider) END AS provider
    FROM candidates
    GROUP BY event_id, cluster, time
    HAVING count(DISTINCT queue_id) = 1
), recipients AS (
    SELECT event_id, cluster, time, min(seq) AS seq, min(recipient) AS recipient, min(recipient_domain) AS recipient_domain,
        max(zone) AS zone, max(local_ip) AS local_ip, max(provider) AS provider
    FROM candidates
    WHERE seq IS NOT NULL AND action = 'delivered' AND (complainer IS NULL OR lower(recipient) = lower(complainer))
    GROUP BY event_id, cluster, time
    HAVING count(DISTINCT seq) = 1
)
SELECT event_id, cluster, time, extract(epoch FROM date_bin('15 seconds', time, 'epoch'))::bigint AS bucket,
    m.queue_id, r.seq, m.auth_user, m.sender, m.sender_domain, r.recipient, r.recipient_domain, coalesce(r.zone, m.zone) AS zone,
    coalesce(r.provider, m.provider) AS provider, coalesce(r.local_ip, m.local_ip) AS local_ip
FROM messages AS m LEFT JOIN recipients AS r USING (event_id, cluster, time)
