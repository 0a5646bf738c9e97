"""Scheduled work."""

from collector.jobs.housekeeping import Housekeeping
from collector.jobs.reader_queries import ReaderQueries

__all__ = ["Housekeeping", "ReaderQueries"]
