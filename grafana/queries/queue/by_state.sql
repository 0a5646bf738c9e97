-- The recipients that wait, by what they wait for, in the newest snapshot of each bin.
SELECT at AS time, state AS metric, sum(messages)::bigint AS recipients
FROM {{shared/queue_moments}}
JOIN queue_snapshots USING (time)
WHERE domain IS NULL AND cluster IN ($cluster)
GROUP BY 1, 2
ORDER BY 1, 2
