"""Questions that an operator or the collector asks of the database."""
