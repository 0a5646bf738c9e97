-- Insert one row of a queue snapshot.
INSERT INTO queue_snapshots (time, cluster, zone, domain, state, messages, oldest) VALUES (%s, %s, %s, %s, %s, %s, %s)
