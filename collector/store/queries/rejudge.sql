-- Update rows with what today's rules say of their replies.
-- A row changes only while it still holds the reply that was judged. The limits tell TimescaleDB which compressed
-- batches to decompress.
UPDATE mail_events AS kept
SET reason = new.reason, bounce_kind = new.bounce_kind, provider = new.provider, provider_code = new.provider_code,
    response_pattern = new.response_pattern, enhanced_code = new.enhanced_code
FROM unnest(
    %s::timestamptz[], %s::text[], %s::text[], %s::text[], %s::text[],
    %s::text[], %s::text[], %s::text[], %s::text[], %s::text[]
) AS new (
    time, event_id, cluster, response, reason, bounce_kind, provider, provider_code, response_pattern, enhanced_code
)
WHERE kept.event_id = new.event_id AND kept.cluster = new.cluster AND kept.time = new.time
  AND kept.response IS NOT DISTINCT FROM new.response
  AND kept.time BETWEEN {first_time} AND {last_time} AND kept.event_id BETWEEN {first_id} AND {last_id}
