"""From the journal to the database: batches, retries, quarantine, and who is told of what was committed."""

from collector.pipeline.writer import Writer, WriterState

__all__ = ["Writer", "WriterState"]
