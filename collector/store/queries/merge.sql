-- Insert the rows of the temporary table that mail_events lacks, and return the keys of the new ones.
INSERT INTO mail_events ({columns}) SELECT {columns} FROM incoming
ON CONFLICT DO NOTHING
RETURNING event_id, cluster, (extract(epoch FROM time) * 1000)::bigint
