"""The batch write: COPY, the tables beside `mail_events`, and which buckets it touches."""
