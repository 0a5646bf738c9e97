"""The journal in a file of this machine: SQLite's table `requests`, one row a request, many requests a commit."""
