-- Return the zones with the most mail of the last seven days.
SELECT zone FROM mail_stats_1h
WHERE bucket > %(end)s - interval '7 days' AND bucket <= %(end)s AND zone IS NOT NULL
GROUP BY zone
ORDER BY sum(events) DESC, zone
LIMIT %(zones)s
