"""What a server's reply means: codes, provider, reason, pattern. Pure."""
