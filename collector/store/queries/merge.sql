INSERT INTO mail_events SELECT * FROM incoming
ON CONFLICT DO NOTHING
RETURNING event_id, cluster, (extract(epoch FROM time) * 1000)::bigint
