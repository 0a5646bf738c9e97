"""The meaning of a server's reply: codes, provider, reason, pattern. Pure."""
