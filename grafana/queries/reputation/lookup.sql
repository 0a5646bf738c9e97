-- The page on which the operator of a list tells what it knows of a target; null for a list that is not named here.
-- Only an address or a host name is put into a URL, so a hostile target has no link.
CASE
    WHEN target !~ '^[0-9A-Za-z.:_-]+$' THEN NULL
    WHEN list = 'bl.spamcop.net' THEN 'https://www.spamcop.net/w3m?action=checkblock&ip=' || target
    WHEN list = 'psbl.surriel.com' THEN 'https://psbl.org/listing?ip=' || target
    WHEN list ~ '^dnsbl-[123]\.uceprotect\.net$' THEN 'https://www.uceprotect.net/en/rblcheck.php?ipr=' || target
    WHEN list = 'dnsbl.dronebl.org' THEN 'https://dronebl.org/lookup?ip=' || target
    WHEN list = 'bl.blocklist.de' THEN 'https://www.blocklist.de/en/view.html?ip=' || target
    WHEN list = 'all.s5h.net' THEN 'https://www.usenix.org.uk/content/rblremove'
    WHEN list IN ('zen.spamhaus.org', 'zen.dq.spamhaus.net', 'dbl.spamhaus.org', 'dbl.dq.spamhaus.net')
      THEN 'https://check.spamhaus.org/results/?query=' || target
    WHEN list = 'b.barracudacentral.org' THEN 'https://www.barracudacentral.org/lookups'
    WHEN list = 'bl.mailspike.net' THEN 'https://mailspike.org/iplookup.html'
    WHEN list = 'bl.spameatingmonkey.net' THEN 'https://spameatingmonkey.com/lookup/' || target
    WHEN list = 'multi.surbl.org' THEN 'https://surbl.org/surbl-analysis'
    WHEN list = 'multi.uribl.com' THEN 'https://admin.uribl.com/'
  END
