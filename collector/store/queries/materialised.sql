-- Return the hypertable behind a continuous aggregate.
SELECT materialization_hypertable_schema, materialization_hypertable_name
FROM timescaledb_information.continuous_aggregates
WHERE view_schema = current_schema() AND view_name = %s
