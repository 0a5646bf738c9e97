-- Return null while a backend works, else since when it waits for its client, or that it has ended.
-- A backend that waits for a lock works.
SELECT CASE
    WHEN a.pid IS NULL THEN 'gone'
    WHEN a.state <> 'active' OR a.wait_event_type = 'Client' THEN concat_ws(' ', a.state, a.query_start, a.state_change)
END
FROM (VALUES (%s::int)) AS asked (pid)
LEFT JOIN pg_stat_activity a ON a.pid = asked.pid
