-- Return the values of an indexed column that match in any mix of upper and lower case.
-- The index sorts by bytes, so each way to write the first letters is a range of it.
SELECT DISTINCT found.value
FROM unnest(%(starts)s::text[], %(ends)s::text[]) AS span (first, last)
CROSS JOIN LATERAL (
    SELECT {column} AS value
    FROM mail_events
    WHERE {column} >= span.first COLLATE "C" AND {column} < span.last COLLATE "C"
      AND lower({column} COLLATE "C") = %(value)s
    LIMIT %(rows)s
) AS found
LIMIT %(rows)s
