-- Null while the backend works, also while it waits for a lock; else since when it has been waiting for its client, or that it is gone.
SELECT CASE
    WHEN a.pid IS NULL THEN 'gone'
    WHEN a.state <> 'active' OR a.wait_event_type = 'Client' THEN concat_ws(' ', a.state, a.query_start, a.state_change)
END
FROM (VALUES (%s::int)) AS asked (pid)
LEFT JOIN pg_stat_activity a ON a.pid = asked.pid
