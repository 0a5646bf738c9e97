-- Return the newest events with one value in an indexed column.
-- Ask for one value at a time: TimescaleDB asks the Bloom filter of each compressed batch for it.
SELECT {columns}
FROM mail_events
WHERE {column} = %(value)s
ORDER BY time DESC
LIMIT %(rows)s
