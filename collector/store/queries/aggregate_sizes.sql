-- Return the size on disk, in bytes, of each continuous aggregate.
SELECT view_name,
       coalesce(
           hypertable_size(
               format('%I.%I', materialization_hypertable_schema, materialization_hypertable_name)::regclass
           ),
           0
       )
FROM timescaledb_information.continuous_aggregates
WHERE view_schema = current_schema()
