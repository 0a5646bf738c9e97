-- Set the receipt of stored results that lie in the future back to just before the new results.
-- A clock that was ahead stored them. Results that arrive now for the same target and list are newer.
UPDATE dnsbl_results AS old SET received_at = new.received_at - interval '1 millisecond'
FROM (
    SELECT cluster, target, list, min(received_at) AS received_at
    FROM jsonb_populate_recordset(NULL::dnsbl_results, %s::jsonb)
    GROUP BY 1, 2, 3
) AS new
WHERE old.cluster = new.cluster AND old.target = new.target AND old.list = new.list
  AND old.received_at > clock_timestamp()
