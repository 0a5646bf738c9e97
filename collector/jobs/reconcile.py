"""The job that stores what the backup roads told and nobody told better, and drops the rest."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from collector.store.reconciliation import Moment, reconcile

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import timedelta

    import psycopg

    from collector.metrics.mail import MailMetrics

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
        self._graces, self._oldest_in_journal, self._count = graces, oldest_in_journal, count

    def run(self, connection: psycopg.Connection, now: datetime, is_over: Callable[[], bool]) -> None:
        """Decides slice after slice until nothing is due, the time is up or `is_over`."""
        deadline = time.monotonic() + BUDGET_SECONDS
        while not is_over() and time.monotonic() < deadline:
            oldest = self._oldest_in_journal()
            journal = None if oldest is None else datetime.fromtimestamp(oldest / 1000, UTC)
            done = reconcile(connection, Moment(now, self._graces, journal))
            if not done.due:
                return
            self._count.reconciled(done.tally, done.corrections, done.recovered)
