"""The types of an event: its row, the rows of other tables, and which source's event counts. Pure."""
