-- The merging way in: a batch with rows that may be in the table already. Only the columns that this version knows, without
-- their constraints: a newer version may have added some, with defaults of their own.
CREATE TEMPORARY TABLE incoming ON COMMIT DROP AS SELECT {columns} FROM mail_events WITH NO DATA
