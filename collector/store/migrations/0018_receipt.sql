-- What is ordered by receipt goes by the database's clock from now on (collector/store/database/receipt_clock.py).
-- Before, one collector's clock that was ahead for a moment froze what it had stamped until that time came.

-- The request that brought the report: orders the reports of one collector process. Null: written by a version before.
ALTER TABLE plugin_reports ADD COLUMN request_id text COLLATE "C";

UPDATE plugin_reports SET received_at = now() WHERE received_at > now();
UPDATE held_events SET received_at = now() WHERE stored_time IS NULL AND received_at > now();
UPDATE dnsbl_results SET received_at = now() WHERE received_at > now();
UPDATE change_feeds SET changed_at = now() - interval '1 day' WHERE changed_at > now();

-- The newest result is the one that came last. `time` is the exporter's clock; it decides only between results that
-- came together.
CREATE INDEX dnsbl_results_current ON dnsbl_results (cluster, target, list, received_at DESC, time DESC);
DROP INDEX dnsbl_results_newest;

CREATE OR REPLACE VIEW dnsbl_current AS
SELECT DISTINCT ON (cluster, target, list) *
FROM dnsbl_results
ORDER BY cluster, target, list, received_at DESC, time DESC;
