-- What is due is looked for cluster by cluster: while a plugin has much to send still, all that its cluster's other
-- roads told in that time waits, and must not be read anew with every look.
CREATE INDEX held_events_received ON held_events (cluster, received_at) WHERE stored_time IS NULL;
CREATE INDEX held_events_time ON held_events (cluster, time) WHERE stored_time IS NULL;
DROP INDEX held_events_waiting;
