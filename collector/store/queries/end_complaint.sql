-- Delete the note of a complaint whose message was found: it is counted in this transaction.
DELETE FROM pending_complaints WHERE event_id = %(event_id)s AND cluster = %(cluster)s AND time = %(time)s
