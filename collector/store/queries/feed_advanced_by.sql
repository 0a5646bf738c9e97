-- Did this transaction move the feed on? A finished transaction's row is seen, with its number (32 bits of it) in xmin.
SELECT 1 FROM change_feeds WHERE cluster = %s AND feed = %s AND epoch = %s AND xmin = %s::xid8::xid
