-- Return the size on disk, in bytes, of each hypertable.
SELECT hypertable_name, coalesce(hypertable_size(format('%I.%I', hypertable_schema, hypertable_name)::regclass), 0)
FROM timescaledb_information.hypertables
WHERE hypertable_schema = current_schema()
