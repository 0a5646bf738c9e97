-- The attempts of the range by bucket, cluster, provider, attempt and action, as a table `provider_stats`.
{{shared/summed_stats relation=(provider_stats) columns=(
    bucket, cluster, provider, attempt, action, events, queue_le_1s, queue_le_5s, queue_le_30s, queue_le_1m,
    queue_le_5m, queue_le_15m, queue_le_1h, queue_le_4h, queue_le_12h, queue_le_1d, queue_count)}}
