"""The job that stores what the backup roads told and nobody told better, and drops the rest."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from collector.pipeline.listeners import tell
from collector.store.reconciliation import Moment, Reconciler

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import timedelta

    import psycopg

    from collector.metrics.mail import MailMetrics
    from collector.store.reconciliation import Reconciled

BUDGET_SECONDS: Final = 2.0
"""The jobs share a thread: what is left is the next run's."""


class Reconcile:
    """Every few seconds. `graces` are those of the clusters that have their own; `oldest_in_journal` is when the oldest request came that
    is still in this collector's journal (epoch ms), None when it is empty.
    """

    name = "reconcile"
    every_seconds = 3

    def __init__(
        self,
        graces: Mapping[str, timedelta],
        *,
        oldest_in_journal: Callable[[], int | None],
        count: MailMetrics,
    ) -> None:
        self._graces, self._oldest_in_journal, self._metrics = graces, oldest_in_journal, count
        self._reconciler = Reconciler()

    def settle(self, connection: psycopg.Connection) -> None:
        """Counts a slice that was committed though the reply to its COMMIT was lost."""
        done = self._reconciler.settle(connection)
        if done is not None:
            tell([self._count], done)

    def run(self, connection: psycopg.Connection, now: datetime, is_over: Callable[[], bool]) -> None:
        """Decides slice after slice until nothing is due, the time is up or `is_over`."""
        deadline = time.monotonic() + BUDGET_SECONDS
        while not is_over() and time.monotonic() < deadline:
            oldest = self._oldest_in_journal()
            journal = None if oldest is None else datetime.fromtimestamp(oldest / 1000, UTC)
            done = self._reconciler.reconcile(connection, Moment(now, self._graces, journal))
            if not done.due:
                return
            tell([self._count], done)

    def _count(self, done: Reconciled) -> None:
        self._metrics.reconciled(done.tally, done.corrections, done.recovered)
