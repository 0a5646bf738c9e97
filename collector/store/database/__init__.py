"""The database server: connections, sessions, commits, and what each failure means."""
