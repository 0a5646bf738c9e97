-- Return whether mail_events is a hypertable, and whether mail_stats_5m is a continuous aggregate.
SELECT EXISTS (
           SELECT FROM timescaledb_information.hypertables
           WHERE hypertable_schema = current_schema() AND hypertable_name = 'mail_events'
       ),
       EXISTS (
           SELECT FROM timescaledb_information.continuous_aggregates
           WHERE view_schema = current_schema() AND view_name = 'mail_stats_5m'
       )
