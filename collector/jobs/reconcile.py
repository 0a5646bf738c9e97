"""The job that stores the backup sources' events which no better source reported, and drops the others."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from collector.pipeline.listeners import tell
from collector.store.backup.reconciliation import DecisionInput, Reconciler
from collector.store.database.sql import query

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    import psycopg

    from collector.metrics.mail import MailMetrics
    from collector.store.backup.reconciliation import ReconciliationResult

BUDGET_SECONDS: Final = 2.0
"""The time limit of a run, because the jobs share a thread. The next run continues."""


class Reconcile:
    """Every few seconds: decides the due held events.

    `graces` are the grace periods of clusters that have their own. `journal_age` returns the age, in seconds, of the
    oldest submission in this collector's journal, or None if the journal is empty. It is an age because held events use
    another clock than the journal.
    """

    name = "reconcile"
    every_seconds = 3
    goes_by_the_server = True

    def __init__(
        self,
        graces: Mapping[str, timedelta],
        *,
        journal_age: Callable[[], float | None],
        count: MailMetrics,
    ) -> None:
        self._graces, self._journal_age, self._metrics = graces, journal_age, count
        self._reconciler = Reconciler()

    def settle(self, connection: psycopg.Connection) -> None:
        """Count a slice that was committed although the reply to its COMMIT was lost."""
        done = self._reconciler.settle(connection)
        if done is not None:
            tell([self._count], done)

    def run(self, connection: psycopg.Connection, now: datetime, is_over: Callable[[], bool]) -> None:
        """Decide slice after slice until none is due, the time is up, or `is_over`.

        `now` is by the database's clock, like the receipt of held events.
        """
        connection.execute(query("held_set_back"), {"now": now})
        deadline = time.monotonic() + BUDGET_SECONDS
        while not is_over() and time.monotonic() < deadline:
            age = self._journal_age()
            journal = None if age is None else now - timedelta(seconds=age)
            done = self._reconciler.reconcile(connection, DecisionInput(now, self._graces, journal))
            if not done.due:
                return
            tell([self._count], done)

    def _count(self, done: ReconciliationResult) -> None:
        self._metrics.reconciled(done.tally, done.corrections, done.recovered)
