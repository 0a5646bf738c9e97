-- The outcomes of delivery attempts of the sending domains that the viewer chose.
SELECT
  date_bin('$__interval', bucket, TIMESTAMPTZ 'epoch') AS time,
  action AS metric,
  sum(events)::bigint AS recipients
FROM {{shared/domain_stats}}
WHERE action IN ('delivered', 'deferred', 'bounced')
GROUP BY 1, 2
ORDER BY 1, 2
