-- Convert mail_events into a hypertable with chunks of one day.
SELECT create_hypertable(
    'mail_events', 'time',
    chunk_time_interval => interval '1 day', create_default_indexes => false, migrate_data => true
)
