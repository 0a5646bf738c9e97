-- One row, by its key alone: a join is no condition on a compressed batch, and TimescaleDB would unpack every chunk, or refuse to.
DELETE FROM mail_events WHERE cluster = %s AND event_id = %s AND time = %s::timestamptz
