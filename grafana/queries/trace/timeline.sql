-- Where each recipient of a message stood: waiting (0), deferred (1), delivered (2), bounced (3), ended otherwise (4).
-- A recipient waits from when the message was queued. A bin has its last state.
-- At most 40 recipients. Without a message there is one row (5).
WITH events AS (
  SELECT time, cluster, queue_id, action, coalesce(recipient, 'recipient ' || seq) AS person
  FROM {{trace/events}}
  WHERE action IN ('queued', 'deferred', 'delivered', 'bounced', 'dropped', 'refused', 'deleted', 'released')
  LIMIT 2000
),
people AS (
  SELECT DISTINCT cluster, queue_id, person FROM events WHERE person IS NOT NULL ORDER BY 1, 2, 3 LIMIT 40
),
states AS (
  SELECT DISTINCT ON (1, 2)
    date_bin('$__interval', time, TIMESTAMPTZ 'epoch') AS time,
    person AS metric,
    CASE action
      WHEN 'queued' THEN 0
      WHEN 'deferred' THEN 1
      WHEN 'delivered' THEN 2
      WHEN 'bounced' THEN 3
      ELSE 4
    END AS state
  FROM (
    SELECT events.time, events.action, people.person
    FROM events
    JOIN people
      ON people.cluster = events.cluster
      AND people.queue_id IS NOT DISTINCT FROM events.queue_id
      AND (events.person IS NULL OR events.person = people.person)
    UNION ALL
    SELECT time, action, 'whole message'
    FROM events
    WHERE NOT EXISTS (SELECT FROM people)
  ) AS steps
  ORDER BY 1, 2, steps.time DESC, state DESC
)
SELECT time, metric, state FROM {{shared/filled_states none=('no message', 5)}} ORDER BY 1, 2
