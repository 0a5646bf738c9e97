INSERT INTO mail_events ({columns}) SELECT {columns} FROM incoming
ON CONFLICT DO NOTHING
RETURNING event_id, cluster, (extract(epoch FROM time) * 1000)::bigint
