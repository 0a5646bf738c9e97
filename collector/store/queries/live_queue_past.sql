-- Return the snapshots of the queues within a window, by epoch second and state.
SELECT floor(extract(epoch FROM time))::bigint, state, sum(messages)::bigint
FROM queue_snapshots
WHERE domain IS NULL AND time >= %(start)s AND time < %(end)s
GROUP BY 1, 2
ORDER BY 1, 2
