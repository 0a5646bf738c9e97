-- Begin a batch write: mark the buckets, bound lock waits, take the shared lock, and return the clock.
-- Reconciliation takes the same lock alone, so that what it decides about a slot holds until it has committed. The
-- database's clock (epoch ms) comes last, after any wait for that lock: receipts are stored by it
-- (database/receipt_clock.py).
WITH noted AS (INSERT INTO touched_buckets SELECT to_timestamp(second) FROM unnest(%s::bigint[]) AS second)
SELECT pg_current_xact_id()::text, set_config('lock_timeout', %s, true), pg_advisory_xact_lock_shared(%s),
       (extract(epoch FROM clock_timestamp()) * 1000)::bigint
