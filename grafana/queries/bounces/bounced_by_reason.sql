-- The number of recipients that bounced, by reason.
SELECT
  date_bin('$__interval', bucket, TIMESTAMPTZ 'epoch') AS time,
  coalesce(reason, 'other') AS metric,
  sum(events)::bigint AS recipients
FROM {{shared/mail_stats}}
WHERE {{bounces/chosen}}
  AND action = 'bounced'
GROUP BY 1, 2
ORDER BY 1, 2
