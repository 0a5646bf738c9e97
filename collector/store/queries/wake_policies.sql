-- Run those policies now whose next start lies too far ahead.
-- Their next start was computed while the server's clock was ahead. TimescaleDB itself delays a failing policy by five
-- of its periods at most.
SELECT alter_job(jobs.job_id, next_start => now())
FROM timescaledb_information.jobs
JOIN timescaledb_information.job_stats AS stats USING (job_id)
LEFT JOIN timescaledb_information.continuous_aggregates
    ON jobs.hypertable_schema = materialization_hypertable_schema
    AND jobs.hypertable_name = materialization_hypertable_name
WHERE proc_name IN ('policy_retention', 'policy_compression', 'policy_refresh_continuous_aggregate')
  AND coalesce(view_schema, jobs.hypertable_schema) = current_schema() AND scheduled AND job_status <> 'Running'
  AND isfinite(stats.next_start) AND stats.next_start > now() + 6 * schedule_interval
