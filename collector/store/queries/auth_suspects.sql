-- Accounts and addresses with many failed logins of late. What the server got wrong itself is nobody's failure. Not those of the future: the
-- clock that stamped them was ahead, and they would count until that time has passed.
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
