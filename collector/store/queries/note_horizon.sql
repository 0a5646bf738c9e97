-- Note that a relation's rows before a time were deleted.
INSERT INTO retention_horizons (relation, gone_before) VALUES (%s, %s)
ON CONFLICT (relation) DO UPDATE SET gone_before = greatest(retention_horizons.gone_before, excluded.gone_before)
