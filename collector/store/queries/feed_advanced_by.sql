-- Return a row if this transaction advanced the feed.
-- xmin of the row holds the low 32 bits of the number of the transaction that wrote it.
SELECT 1 FROM change_feeds WHERE cluster = %s AND feed = %s AND epoch = %s AND xmin = %s::xid8::xid
