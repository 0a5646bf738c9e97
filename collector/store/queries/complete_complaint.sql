-- Copy the values of a complaint's message into the complaint's row.
-- The row is found by its key alone, for the reason that delete_row.sql gives.
UPDATE mail_events
SET queue_id = %(queue_id)s, seq = %(seq)s,
    auth_user = coalesce(auth_user, %(auth_user)s), sender = coalesce(sender, %(sender)s),
    sender_domain = coalesce(sender_domain, %(sender_domain)s),
    recipients = coalesce(recipients, CASE WHEN %(seq)s::text IS NOT NULL THEN 1 END),
    recipient = coalesce(recipient, %(recipient)s), recipient_domain = coalesce(recipient_domain, %(recipient_domain)s),
    zone = %(zone)s, provider = %(provider)s, local_ip = coalesce(local_ip, %(local_ip)s)
WHERE cluster = %(cluster)s AND event_id = %(event_id)s AND time = %(time)s AND queue_id IS NULL
