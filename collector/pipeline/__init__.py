"""From the journal to the database: batches, retries, quarantine, and the listeners of a commit."""

from collector.pipeline.writer import Writer, WriterState

__all__ = ["Writer", "WriterState"]
