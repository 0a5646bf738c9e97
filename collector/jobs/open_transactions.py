"""The job that shows how long the oldest transaction of the database has been open."""

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
    """Every 15 seconds: `duckwatch_store_oldest_transaction_age_seconds`. VACUUM leaves everything that was deleted since then, and the
    tables of marks, held events and queue entries are deleted from all the time.
    """

    name = "open_transactions"
    every_seconds = 15

    def __init__(self, metrics: Metrics) -> None:
        self._gauge = metrics.store_oldest_transaction_age

    def run(self, connection: psycopg.Connection, now: datetime, is_over: Callable[[], bool]) -> None:  # noqa: ARG002  # every job is run alike
        """Asks the server, whose clock counts on both ends."""
        age = scalar(connection, query("oldest_transaction"))
        assert isinstance(age, float)
        self._gauge.set(age)
