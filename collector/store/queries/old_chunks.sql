-- Return whether a hypertable has chunks that end before a time.
SELECT EXISTS (
    SELECT FROM timescaledb_information.chunks
    WHERE hypertable_schema = current_schema() AND hypertable_name = %s AND range_end <= %s
)
