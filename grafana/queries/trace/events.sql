-- The events of the message whose queue id or Message-ID the viewer typed, as a table `life`; with a recipient's
-- number, those of this recipient and of the whole message. Each part uses an index. LIMIT in LATERAL keeps the
-- planner at the index: it cannot know how few events a message has.
(
  SELECT *
  FROM mail_events
  WHERE event_id >= {{trace/queue_id}}
    AND event_id < {{trace/queue_id}} || '~'
    AND queue_id = {{trace/queue_id}}
    AND ({{trace/seq}} = '' OR seq IS NULL OR seq = {{trace/seq}})
    AND cluster IN ($cluster)
  UNION ALL
  SELECT of_message.*
  FROM (
    SELECT DISTINCT cluster, queue_id
    FROM {{trace/of_message_id}}
    WHERE queue_id IS NOT NULL
      AND {{trace/queue_id}} IS NULL
      AND cluster IN ($cluster)
    LIMIT 20
  ) AS named
  CROSS JOIN LATERAL (
    SELECT *
    FROM mail_events
    WHERE event_id >= named.queue_id
      AND event_id < named.queue_id || '~'
      AND queue_id = named.queue_id
      AND cluster = named.cluster
    ORDER BY event_id
    LIMIT 500
  ) AS of_message
  UNION ALL
  SELECT *
  FROM {{trace/of_message_id}}
  WHERE queue_id IS NULL
    AND {{trace/queue_id}} IS NULL
    AND cluster IN ($cluster)
  UNION ALL
  SELECT *
  FROM mail_events
  WHERE message_id = (
      SELECT message_id
      FROM mail_events
      WHERE event_id >= {{trace/queue_id}}
        AND event_id < {{trace/queue_id}} || '~'
        AND queue_id = {{trace/queue_id}}
        AND message_id IS NOT NULL
        AND cluster IN ($cluster)
      ORDER BY event_id
      LIMIT 1
    )
    AND queue_id IS NULL
    AND cluster IN ($cluster)
) AS life
