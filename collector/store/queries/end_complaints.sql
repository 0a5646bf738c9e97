-- Delete the notes of complaints whose message is looked for no longer, or that name none, and return their keys.
DELETE FROM pending_complaints
WHERE received_at <= %(since)s OR NOT is_searchable
RETURNING event_id, cluster, time
