"""The durable buffer between the acknowledgement of a request and the commit of its events."""

from collector.journal.journal import Journal, JournalState

__all__ = ["Journal", "JournalState"]
