-- The life of a message, oldest event first: what happened to each recipient, and what the other server said.
SELECT
  time,
  action,
  recipient,
  reason,
  coalesce(response, drop_reason) AS response,
  attempt,
  next_attempt,
  provider,
  mx_host,
  local_ip,
  queue_ms,
  smtp_ms,
  tls_version,
  sender,
  zone,
  host,
  source,
  queue_id,
  seq,
  raw ->> 'bounceId' AS bounce_id,
  cluster
FROM {{trace/events}}
ORDER BY time, queue_id, seq NULLS FIRST, event_id
LIMIT 500
