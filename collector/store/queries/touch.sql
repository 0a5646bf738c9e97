INSERT INTO touched_buckets SELECT to_timestamp(second) FROM unnest(%s::bigint[]) AS second
