-- Return true if a complaint's message is looked for no longer, or the complaint names none.
SELECT EXISTS (SELECT FROM pending_complaints WHERE received_at <= %s OR NOT is_searchable)
