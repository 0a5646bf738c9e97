-- The messages that are found by what the viewer typed, the newest first: by queue id, Message-ID or recipient, each by
-- an index and whenever they were sent; by sender among the newest 100,000 events of the range, since no index has it.
-- A Message-ID that is found is not looked for as a sender.
WITH hits AS (
  (
    SELECT time, cluster, queue_id, message_id, event_id
    FROM {{trace/events}}
    WHERE {{trace/asked}} <> ''
    LIMIT 500
  )
  UNION ALL
  (
    SELECT time, cluster, queue_id, message_id, event_id
    FROM mail_events
    WHERE recipient = {{trace/asked}}
      AND {{trace/asked}} LIKE '%@%'
      AND cluster IN ($cluster)
    ORDER BY time DESC
    LIMIT 200
  )
  UNION ALL
  (
    SELECT time, cluster, queue_id, message_id, event_id
    FROM mail_events
    WHERE recipient = lower({{trace/asked}})
      AND recipient <> {{trace/asked}}
      AND {{trace/asked}} LIKE '%@%'
      AND cluster IN ($cluster)
    ORDER BY time DESC
    LIMIT 200
  )
  UNION ALL
  (
    SELECT time, cluster, queue_id, message_id, event_id
    FROM (
      SELECT time, cluster, queue_id, message_id, event_id, sender
      FROM mail_events
      WHERE $__timeFilter(time)
        AND {{trace/asked}} LIKE '%@%'
      ORDER BY time DESC
      LIMIT 100000
    ) AS newest
    WHERE sender IN ({{trace/asked}}, lower({{trace/asked}}))
      AND cluster IN ($cluster)
      AND NOT EXISTS (SELECT FROM {{trace/of_message_id}})
    ORDER BY time DESC
    LIMIT 200
  )
),
messages AS (
  SELECT cluster, queue_id, coalesce(queue_id, message_id, event_id) AS message, max(time) AS newest
  FROM hits
  GROUP BY 1, 2, 3
  ORDER BY newest DESC, message
  LIMIT 50
)
SELECT
  coalesce(life.began, messages.newest) AS time,
  messages.message,
  life.sender,
  life.people AS recipients,
  life.delivered,
  life.deferred,
  life.bounced,
  coalesce(life.newest, messages.newest) AS newest,
  messages.cluster,
  (extract(epoch FROM coalesce(life.began, messages.newest)) * 1000 - 60000)::bigint::text AS from_ms,
  (extract(epoch FROM coalesce(life.newest, messages.newest)) * 1000 + 60000)::bigint::text AS to_ms
FROM messages
LEFT JOIN LATERAL (
  SELECT
    min(time) AS began,
    max(time) AS newest,
    max(sender) AS sender,
    count(DISTINCT recipient) AS people,
    count(*) FILTER (WHERE action = 'delivered') AS delivered,
    count(*) FILTER (WHERE action = 'deferred') AS deferred,
    count(*) FILTER (WHERE action = 'bounced') AS bounced
  FROM (
    SELECT time, sender, recipient, action
    FROM mail_events
    WHERE event_id >= messages.queue_id
      AND event_id < messages.queue_id || '~'
      AND queue_id = messages.queue_id
      AND cluster = messages.cluster
    ORDER BY event_id
    LIMIT 1000
  ) AS of_message
) AS life ON messages.queue_id IS NOT NULL
ORDER BY time DESC, message
