-- Return the time before which a relation's rows were deleted.
SELECT gone_before FROM retention_horizons WHERE relation = %s
