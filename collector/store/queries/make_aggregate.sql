-- Create a continuous aggregate.
-- TimescaleDB's default indexes on each label are left out: every query of ours begins with the time.
CREATE MATERIALIZED VIEW {name}
WITH (timescaledb.continuous, timescaledb.materialized_only = false, timescaledb.create_group_indexes = false)
AS {definition}
WITH NO DATA
