-- Return sample times of events: the first event after each given time, and some events of backup sources.
-- Each may be null.
SELECT (SELECT min(time) FROM mail_events WHERE time >= asked AND time < %(end)s)
FROM unnest(%(asked)s::timestamptz[]) AS asked
UNION ALL
(
    SELECT stored_time FROM held_events
    WHERE stored_time >= %(start)s AND stored_time < %(end)s
    ORDER BY stored_time DESC
    LIMIT %(held)s
)
