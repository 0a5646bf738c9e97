DELETE FROM dead_letters WHERE letter_id = ANY (%s)
