-- Return the tables in which TimescaleDB keeps our continuous aggregates.
-- The last one is TimescaleDB's own: a refresh deletes from it.
SELECT materialization_hypertable_schema::text, materialization_hypertable_name::text
FROM timescaledb_information.continuous_aggregates WHERE view_schema = current_schema()
UNION ALL
SELECT '_timescaledb_catalog', 'continuous_aggs_materialization_ranges'
WHERE EXISTS (SELECT FROM timescaledb_information.continuous_aggregates WHERE view_schema = current_schema())
