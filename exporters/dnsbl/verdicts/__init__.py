"""What an answer of a list means. Pure."""
