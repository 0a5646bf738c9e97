-- The recipients that came into the queue, and those that left it, by how. Mail without a sender is left out of both.
SELECT
  date_bin('$__interval', bucket, TIMESTAMPTZ 'epoch') AS time,
  coalesce(sum(recipients) FILTER (WHERE action = 'queued'), 0)::bigint AS arrived,
  coalesce(sum(recipients) FILTER (WHERE action <> 'queued'), 0)::bigint AS "left"
FROM {{shared/mail_stats}}
WHERE cluster IN ($cluster)
  AND direction = 'outbound'
  AND action IN ('queued', 'delivered', 'bounced', 'dropped', 'deleted', 'released')
GROUP BY 1
ORDER BY 1
