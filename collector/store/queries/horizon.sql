SELECT gone_before FROM retention_horizons WHERE relation = %s
