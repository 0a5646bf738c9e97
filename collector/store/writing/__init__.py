"""The batch write: COPY, the tables beside `mail_events`, and the buckets that a batch touches."""
