-- Mark the deletes of this transaction as the collector's own corrections (migration 0014).
SELECT set_config('duckwatch.corrects', 'on', true)
