-- Delete queue entries by their ids.
DELETE FROM queue_entries WHERE cluster = %s AND mongo_id = ANY (%s)
