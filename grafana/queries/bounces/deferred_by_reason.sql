-- The number of attempts that were deferred, by reason.
SELECT
  date_bin('$__interval', bucket, TIMESTAMPTZ 'epoch') AS time,
  coalesce(reason, 'other') AS metric,
  sum(events)::bigint AS attempts
FROM {{shared/mail_stats}}
WHERE {{bounces/chosen}}
  AND action = 'deferred'
GROUP BY 1, 2
ORDER BY 1, 2
