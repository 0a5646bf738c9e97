"""The state of TimescaleDB Community's background jobs on our relations: refresh, compression, retention."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from collector.store.database.sql import query
from collector.store.database.tiers import layout_of

if TYPE_CHECKING:
    import psycopg

KINDS: Final = ("retention", "columnstore", "refresh")

PATIENCE_SECONDS: Final = 3600.0
"""How long a job may go without a good run beyond its interval. Single failures are normal, for example behind a lock.
"""

OVERDUE_SECONDS: Final = 600.0


class PolicyJob(NamedTuple):
    """A policy's job. Times are in seconds before now, None for never."""

    number: int
    kind: str
    relation: str
    is_on: bool
    has_failed: bool | None
    failures: int | None
    runs: int | None
    started: float | None
    succeeded: float | None
    overdue: float | None
    interval: float
    sqlstate: str | None

    def __str__(self) -> str:
        """Return the job's name for messages."""
        return f"the {self.kind} policy of {self.relation} (job {self.number})"

    @property
    def is_overdue(self) -> bool:
        """Return True if no worker has taken up the job at its time."""
        return self.is_on and self.overdue is not None and self.overdue > OVERDUE_SECONDS

    @property
    def keeps_failing(self) -> bool:
        """Return True if the job failed and has had no good run for its interval and an hour."""
        is_old = self.succeeded is None or self.succeeded > self.interval + PATIENCE_SECONDS
        return bool(self.has_failed) and is_old

    @property
    def does_not_work(self) -> bool:
        """Return True if the job is off, is overdue, or keeps failing."""
        return not self.is_on or self.is_overdue or self.keeps_failing


def policy_jobs(connection: psycopg.Connection) -> list[PolicyJob] | None:
    """Return the jobs, or None where TimescaleDB has no policies: the Apache edition, and PostgreSQL without it.

    Raise `psycopg.Error`.
    """
    if not layout_of(connection).has_aggregates:
        return None
    return [PolicyJob(*row) for row in connection.execute(query("job_states"))]
