-- Return TimescaleDB's policies on our relations, with their settings.
-- Depending on its version, TimescaleDB names a continuous aggregate's job after the view or after the hypertable
-- behind it.
SELECT coalesce(view_name, jobs.hypertable_name),
       CASE proc_name
           WHEN 'policy_retention' THEN 'retention'
           WHEN 'policy_compression' THEN 'columnstore'
           WHEN 'policy_refresh_continuous_aggregate' THEN 'refresh'
       END,
       (config ->> 'drop_after')::interval,
       (config ->> 'compress_after')::interval,
       (config ->> 'start_offset')::interval,
       (config ->> 'end_offset')::interval,
       schedule_interval
FROM timescaledb_information.jobs
LEFT JOIN timescaledb_information.continuous_aggregates
    ON jobs.hypertable_schema = materialization_hypertable_schema
    AND jobs.hypertable_name = materialization_hypertable_name
WHERE proc_name IN ('policy_retention', 'policy_compression', 'policy_refresh_continuous_aggregate')
  AND jobs.hypertable_name IS NOT NULL
