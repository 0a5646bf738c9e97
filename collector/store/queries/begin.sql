-- The number of this transaction, how long it waits for a lock, and in passing the buckets that it writes events into. Then the share of
-- the lock that reconciliation takes alone: what it decides about a slot holds until it has committed. Last, after any wait for that lock,
-- the database's clock (epoch ms): receipts are stored by it (store/receipt.py).
WITH noted AS (INSERT INTO touched_buckets SELECT to_timestamp(second) FROM unnest(%s::bigint[]) AS second)
SELECT pg_current_xact_id()::text, set_config('lock_timeout', %s, true), pg_advisory_xact_lock_shared(%s),
       (extract(epoch FROM clock_timestamp()) * 1000)::bigint
