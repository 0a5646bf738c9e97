SELECT EXISTS (SELECT FROM {relation} WHERE {column} < %s)
