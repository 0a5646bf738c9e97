-- Delete dead letters by id, or all of one reason.
DELETE FROM dead_letters WHERE letter_id = ANY (%(ids)s) OR reason = %(reason)s
