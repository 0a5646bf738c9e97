-- Return what the rows of a message say for its complaint; no row when the message has none.
-- The recipient is the one that the complaint names, else the message's only one.
-- `complete_complaint` writes the values.
WITH message AS (
    SELECT seq, action, zone, auth_user, local_ip, provider, sender, sender_domain, recipient, recipient_domain
    FROM mail_events
    WHERE event_id >= %(queue_id)s AND event_id < %(queue_id)s || '~' AND queue_id = %(queue_id)s
      AND cluster = %(cluster)s AND direction = 'outbound' AND action <> 'complained'
    LIMIT %(rows)s
), known AS (
    SELECT max(auth_user) AS auth_user, max(sender) AS sender, max(sender_domain) AS sender_domain,
        CASE WHEN min(zone) = max(zone) THEN min(zone) END AS zone,
        CASE WHEN min(local_ip) = max(local_ip) THEN min(local_ip) END AS local_ip,
        CASE WHEN min(provider) = max(provider) THEN min(provider) END AS provider
    FROM message
    HAVING count(*) > 0
), complainer AS (
    SELECT min(seq) AS seq, min(recipient) AS recipient, min(recipient_domain) AS recipient_domain,
        max(zone) AS zone, max(local_ip) AS local_ip, max(provider) AS provider
    FROM message
    WHERE seq IS NOT NULL AND action = 'delivered'
      AND (%(recipient)s::text IS NULL OR lower(recipient) = lower(%(recipient)s::text))
    HAVING count(DISTINCT seq) = 1
)
SELECT c.seq, k.auth_user, k.sender, k.sender_domain, c.recipient, c.recipient_domain, coalesce(c.zone, k.zone) AS zone,
    coalesce(c.provider, k.provider) AS provider, coalesce(c.local_ip, k.local_ip) AS local_ip
FROM known AS k LEFT JOIN complainer AS c ON true
