-- Return the state of TimescaleDB's jobs on our relations, with the policies' names of policies.sql.
-- A job that has never run has no statistics. Times are seconds before now, null for never.
SELECT jobs.job_id,
       CASE proc_name
           WHEN 'policy_retention' THEN 'retention'
           WHEN 'policy_compression' THEN 'columnstore'
           WHEN 'policy_refresh_continuous_aggregate' THEN 'refresh'
       END,
       coalesce(view_name, jobs.hypertable_name),
       scheduled,
       last_run_status = 'Failed',
       total_failures,
       total_runs,
       CASE WHEN isfinite(last_run_started_at) THEN extract(epoch FROM now() - last_run_started_at)::float8 END,
       CASE WHEN isfinite(last_successful_finish) THEN extract(epoch FROM now() - last_successful_finish)::float8 END,
       CASE
           WHEN isfinite(stats.next_start) AND job_status <> 'Running'
               THEN extract(epoch FROM now() - stats.next_start)::float8
       END,
       extract(epoch FROM schedule_interval)::float8,
       (SELECT sqlerrcode FROM timescaledb_information.job_errors AS errors
        WHERE errors.job_id = jobs.job_id ORDER BY start_time DESC LIMIT 1)
FROM timescaledb_information.jobs
LEFT JOIN timescaledb_information.job_stats AS stats USING (job_id)
LEFT JOIN timescaledb_information.continuous_aggregates
    ON jobs.hypertable_schema = materialization_hypertable_schema
    AND jobs.hypertable_name = materialization_hypertable_name
WHERE proc_name IN ('policy_retention', 'policy_compression', 'policy_refresh_continuous_aggregate')
  AND jobs.hypertable_name IS NOT NULL
ORDER BY jobs.job_id
