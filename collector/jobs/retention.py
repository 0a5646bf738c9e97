"""The job that deletes rows older than the settings keep."""

from __future__ import annotations

from typing import TYPE_CHECKING

from collector.store.rollups import retention

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    import psycopg

    from collector.config.model import RetentionSettings


class RetentionJob:
    """Once a minute, for a few seconds at most. Nearly always there is nothing to do."""

    name = "retention"
    every_seconds = 60

    def __init__(self, kept: RetentionSettings) -> None:
        self._kept = kept

    def run(self, connection: psycopg.Connection, now: datetime, is_over: Callable[[], bool]) -> None:
        """Delete the rows that are too old, within the time limit. The next run continues."""
        retention.let_go(connection, self._kept, now, is_over)
