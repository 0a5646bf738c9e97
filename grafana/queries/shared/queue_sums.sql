-- The sums of a roll-up's histogram of waiting times of delivered mail, under the names of its columns.
coalesce(sum(queue_le_1s) FILTER (WHERE action = 'delivered'), 0) AS queue_le_1s,
    coalesce(sum(queue_le_5s) FILTER (WHERE action = 'delivered'), 0) AS queue_le_5s,
    coalesce(sum(queue_le_30s) FILTER (WHERE action = 'delivered'), 0) AS queue_le_30s,
    coalesce(sum(queue_le_1m) FILTER (WHERE action = 'delivered'), 0) AS queue_le_1m,
    coalesce(sum(queue_le_5m) FILTER (WHERE action = 'delivered'), 0) AS queue_le_5m,
    coalesce(sum(queue_le_15m) FILTER (WHERE action = 'delivered'), 0) AS queue_le_15m,
    coalesce(sum(queue_le_1h) FILTER (WHERE action = 'delivered'), 0) AS queue_le_1h,
    coalesce(sum(queue_le_4h) FILTER (WHERE action = 'delivered'), 0) AS queue_le_4h,
    coalesce(sum(queue_le_12h) FILTER (WHERE action = 'delivered'), 0) AS queue_le_12h,
    coalesce(sum(queue_le_1d) FILTER (WHERE action = 'delivered'), 0) AS queue_le_1d,
    coalesce(sum(queue_count) FILTER (WHERE action = 'delivered'), 0) AS queue_count
