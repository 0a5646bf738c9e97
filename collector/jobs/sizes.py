"""The job that measures the relations' sizes on the database's disk."""

from __future__ import annotations

from typing import TYPE_CHECKING

from collector.store.schema.sizes import sizes

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    import psycopg

    from collector.metrics import Metrics


class Sizes:
    """Once a minute: sets `duckwatch_store_bytes{relation}`."""

    name = "sizes"
    every_seconds = 60

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def run(self, connection: psycopg.Connection, now: datetime, is_over: Callable[[], bool]) -> None:  # noqa: ARG002  # every job is run alike
        """Show each relation's size, with its indexes and chunks."""
        for relation, size in sizes(connection).items():
            self._metrics.store_bytes.labels(relation).set(size)
