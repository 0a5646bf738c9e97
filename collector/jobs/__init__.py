"""Scheduled work."""

from collector.jobs.housekeeping import Housekeeping

__all__ = ["Housekeeping"]
