UPDATE change_feeds SET token = coalesce(%s, token), changed_at = now() WHERE cluster = %s AND feed = %s AND epoch = %s
