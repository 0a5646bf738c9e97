-- Until the end of this transaction, the rows of mail_events that it deletes are the collector's own corrections (migration 0014).
SELECT set_config('duckwatch.corrects', 'on', true)
