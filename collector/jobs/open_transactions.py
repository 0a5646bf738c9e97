"""The job that shows the age of the database's oldest open transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING

from collector.store.database.connection import scalar
from collector.store.database.sql import query

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    import psycopg

    from collector.metrics import Metrics


class OpenTransactions:
    """Every 15 seconds: sets `duckwatch_store_oldest_transaction_age_seconds`.

    VACUUM keeps everything that was deleted since that transaction began, and rows of marks, held events and queue
    entries are deleted all the time.
    """

    name = "open_transactions"
    every_seconds = 15

    def __init__(self, metrics: Metrics) -> None:
        self._gauge = metrics.store_oldest_transaction_age

    def run(self, connection: psycopg.Connection, now: datetime, is_over: Callable[[], bool]) -> None:  # noqa: ARG002  # every job is run alike
        """Ask the server: both times are by its clock."""
        age = scalar(connection, query("oldest_transaction"))
        assert isinstance(age, float)
        self._gauge.set(age)
