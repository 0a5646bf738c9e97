-- The newest events with one value in an indexed column. One value a statement: TimescaleDB asks each compressed batch's Bloom filter for it.
SELECT {columns}
FROM mail_events
WHERE {column} = %(value)s
ORDER BY time DESC
LIMIT %(rows)s
