-- Return the newest row of each document of the collection `authlog`.
-- The last part of its event_id is the number of logins counted by then.
SELECT newest.* FROM unnest(%s::text[]) AS asked (document)
CROSS JOIN LATERAL (
    SELECT cluster, event_id, source, protocol, result, user_id, username, source_ip, raw::text
    FROM auth_events
    WHERE event_id > 'wd:auth:' || asked.document || ':' AND event_id < 'wd:auth:' || asked.document || ';'
      AND cluster = %s
    ORDER BY split_part(event_id, ':', 4)::bigint DESC
    LIMIT 1
) AS newest
