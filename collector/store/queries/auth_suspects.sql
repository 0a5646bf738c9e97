-- Return the number of accounts, and of addresses, with many failed logins lately.
-- A login that failed by an error of the server does not count. Nor does one with a time in the future: the clock that
-- stamped it was ahead, and it would count until that time has passed.
WITH failed AS (
    SELECT cluster, coalesce(user_id, lower(username)) AS account, source_ip, count
    FROM auth_events
    WHERE time > %(since)s AND time <= %(until)s AND result NOT IN ('success', 'error')
)
SELECT 'account', count(*) FROM (
    SELECT FROM failed WHERE account IS NOT NULL GROUP BY cluster, account HAVING sum(count) >= %(account)s
) AS accounts
UNION ALL
SELECT 'source', count(*) FROM (
    SELECT FROM failed WHERE source_ip IS NOT NULL GROUP BY cluster, source_ip HAVING sum(count) >= %(source)s
) AS sources
