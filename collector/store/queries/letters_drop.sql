DELETE FROM dead_letters WHERE letter_id = ANY (%(ids)s) OR reason = %(reason)s
