-- The steps of a roll-up's histogram of waiting times, as a table `steps`: their bounds in seconds, how many waited up
-- to the lower and up to the upper bound. It stands where the roll-up's columns (or sums of them by their names) do.
(
      VALUES
        (0, 1, 0, queue_le_1s),
        (1, 5, queue_le_1s, queue_le_5s),
        (5, 30, queue_le_5s, queue_le_30s),
        (30, 60, queue_le_30s, queue_le_1m),
        (60, 300, queue_le_1m, queue_le_5m),
        (300, 900, queue_le_5m, queue_le_15m),
        (900, 3600, queue_le_15m, queue_le_1h),
        (3600, 14400, queue_le_1h, queue_le_4h),
        (14400, 43200, queue_le_4h, queue_le_12h),
        (43200, 86400, queue_le_12h, queue_le_1d)
    ) AS steps (low, high, below, upto)
