"""The fast path: entries of a usual shape become columns, many at once. Pure."""
