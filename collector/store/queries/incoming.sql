-- The merging way in: a batch with rows that may be in the table already.
CREATE TEMPORARY TABLE incoming (LIKE mail_events) ON COMMIT DROP
