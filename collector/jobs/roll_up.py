"""The job that keeps the roll-ups equal to the events."""

from __future__ import annotations

from typing import TYPE_CHECKING

from collector.store.retention import begins
from collector.store.rollups import TableBuilder

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    import psycopg

    from collector.config.model import Retention


class RollUp:
    """Every few seconds: the buckets that were written into since."""

    name = "roll_up"
    every_seconds = 5

    def __init__(self, kept: Retention) -> None:
        self._kept = kept
        self._tables = TableBuilder()

    def run(self, connection: psycopg.Connection, now: datetime, is_over: Callable[[], bool]) -> None:
        """Builds what is due, within its time; what is left is the next run's."""
        kept = {"15s": self._kept.stats_15s, "5m": self._kept.stats_5m, "1h": self._kept.stats_1h}
        self._tables.run(connection, {width: begins(now, how_long) for width, how_long in kept.items()}, is_over)
