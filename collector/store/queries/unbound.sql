-- Remove the time limits of this session.
-- pg_dump does the same: statement_timeout is meant for queries, and a migration that it ends would start again each
-- time.
SELECT set_config(name, '0', false) FROM pg_settings
WHERE name IN (
    'statement_timeout', 'lock_timeout', 'transaction_timeout', 'idle_in_transaction_session_timeout',
    'idle_session_timeout'
)
