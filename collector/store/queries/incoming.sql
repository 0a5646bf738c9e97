-- Create the temporary table for a batch whose rows may be in mail_events already.
-- It has only the columns that this version knows, without their constraints: a newer version may have added columns
-- with defaults of their own.
CREATE TEMPORARY TABLE incoming ON COMMIT DROP AS SELECT {columns} FROM mail_events WITH NO DATA
