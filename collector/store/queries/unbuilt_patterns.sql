-- Return true if an hour of a range waits to be built, and no pattern of it is known yet.
-- An hour that is only built again, for late events, has patterns.
SELECT EXISTS (
    SELECT FROM stale_buckets AS waiting
    WHERE waiting.width = 'outcomes_1h' AND waiting.bucket >= %(first_hour)s AND waiting.bucket < %(this_hour)s
      AND NOT EXISTS (SELECT FROM pattern_stats_1h AS built WHERE built.bucket = waiting.bucket)
)
