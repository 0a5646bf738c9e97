-- Note the time before which rows were deleted by hand, before continuous aggregates replace the tables.
-- No refresh may reach that time: it would build from the rows that are left. The newest such buckets are built once
-- more, because the first refresh determines the visible history by its last bucket.
WITH newest AS (
    SELECT '15s' AS width, max(bucket) AS bucket FROM mail_stats_15s_erased
    UNION ALL
    SELECT '5m', max(bucket) FROM mail_stats_5m_erased
), noted AS (
    INSERT INTO retention_horizons
    SELECT 'erased', least(bucket + interval '5 minutes', now() - interval '3 hours')
    FROM newest
    WHERE width = '5m' AND bucket IS NOT NULL
    ON CONFLICT (relation) DO UPDATE SET gone_before = greatest(retention_horizons.gone_before, excluded.gone_before)
)
INSERT INTO stale_buckets SELECT width, bucket FROM newest WHERE bucket IS NOT NULL ON CONFLICT DO NOTHING
