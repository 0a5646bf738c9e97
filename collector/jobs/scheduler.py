"""The jobs' thread: a schedule, and the session lock that lets one collector of a database run it.

All jobs use the connection that holds the lock. A collector that loses the connection loses the lock with it, and
cannot continue.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, Protocol, runtime_checkable

import psycopg

from collector.config.renewable import dsn_text
from collector.errors import StoreError
from collector.store.database.connection import (
    HANG_SECONDS,
    connect,
    cut_connection,
    deadline,
    scalar,
    translate,
    unbound,
)
from collector.store.database.tiers import reach_extension
from collector.waits import Waits
from duckwatch.base.schedule import ClockSafeScheduler

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from collector.config.renewable import Connectable
    from collector.metrics import Metrics

log = logging.getLogger(__name__)

LOCK_KEY: Final = 0x6A6F6273  # "jobs"
TICK_SECONDS: Final = 0.5
STOP_SECONDS: Final = 5.0
TURN_SECONDS: Final = 1800.0
"""A job that takes this long is broken off: a peer that is silent but alive would hold it forever."""


class Job(Protocol):
    """One kind of scheduled work. `name` is its label in the metrics, and it runs every `every_seconds`.

    A job with a true `goes_by_the_server` gets the database's clock.
    """

    name: str
    every_seconds: int

    def run(self, connection: psycopg.Connection, now: datetime, is_over: Callable[[], bool]) -> None:
        """Run once, over a connection in autocommit mode; return soon after `is_over`. Raise `psycopg.Error`."""


@runtime_checkable
class CountingJob(Protocol):
    """A job that counts what it commits."""

    def settle(self, connection: psycopg.Connection) -> None:
        """Find out whether a COMMIT without a reply happened, and count its result.

        This is called before each turn, also while another collector runs the jobs: the count is this process's. Raise
        `psycopg.Error` and `StoreError`.
        """


class Jobs:
    """Runs jobs in a thread of its own. A failure is counted, and the job's next turn tries again. `now` is in epoch
    seconds.
    """

    def __init__(
        self, session_dsn: Connectable, jobs: Sequence[Job], *, metrics: Metrics, now: Callable[[], float]
    ) -> None:
        self._session_dsn, self._metrics, self._now = session_dsn, metrics, now
        self._connection: psycopg.Connection | None = None
        self._connected_by = ""
        self._is_leader = False
        self._names = [job.name for job in jobs]
        self._shows_times = False  # the metrics show a time of each job
        self._troubles: dict[
            str, tuple[str, str | None]
        ] = {}  # what the log said of each job that fails: not once a turn
        self._stop = threading.Event()
        self.waits = Waits(TURN_SECONDS)
        self._scheduler = ClockSafeScheduler()
        for job in jobs:
            self._scheduler.every(job.every_seconds).seconds.do(self.run, job)
        self._thread = threading.Thread(target=self._run, name="jobs", daemon=True)

    def start(self) -> None:
        """Begin the schedule. The schema must exist."""
        self._thread.start()

    def stop(self) -> None:
        """End the schedule after the statement under way, or break that off when it takes too long."""
        self._stop.set()
        if not self._thread.is_alive():
            return
        self._thread.join(STOP_SECONDS)
        if self._thread.is_alive() and self._connection is not None:
            cut_connection(self._connection)
            self._thread.join(STOP_SECONDS)

    def run(self, job: Job) -> None:
        """Run a job once, if this collector holds the lock. Raise nothing: the result is in the metrics."""
        try:
            connection = self._connected()
            if isinstance(job, CountingJob):
                with deadline(connection, HANG_SECONDS):
                    job.settle(connection)
            if not self._leads(connection):
                return
            with self.waits.one(), deadline(connection, TURN_SECONDS):
                theirs = _clock_of(connection)
                now = theirs if getattr(job, "goes_by_the_server", False) else self._earlier(theirs)
                job.run(connection, now, self._stop.is_set)
        except (psycopg.Error, StoreError) as error:
            failure = translate(error) if isinstance(error, psycopg.Error) else error
            self._failed(job, getattr(failure, "kind", "bad_row"), getattr(failure, "sqlstate", None))
            # A session keeps the settings its role had when it began: only a new session sees that they were corrected.
            self._leave()
        except Exception:
            log.exception("a job failed because of an error in the collector")
            self._failed(job, "internal", None)
        else:
            self._metrics.job_runs.labels(job.name, "succeeded").inc()
            self._metrics.job_last_success.labels(job.name).set(self._now())
            with contextlib.suppress(KeyError):  # it has succeeded before
                self._metrics.job_awaited_since.remove(job.name)
            if self._troubles.pop(job.name, None) is not None:
                log.warning("a job succeeds again", extra={"fields": {"job": job.name}})

    def _failed(self, job: Job, kind: str, sqlstate: str | None) -> None:
        if self._troubles.get(job.name) != (kind, sqlstate):
            log.warning("a job failed", extra={"fields": {"job": job.name, "kind": kind, "sqlstate": sqlstate}})
        self._troubles[job.name] = kind, sqlstate
        self._metrics.count_refusal(sqlstate)
        self._metrics.job_runs.labels(job.name, "failed").inc()

    def _connected(self) -> psycopg.Connection:
        """Return the connection; open it if there is none. Raise `StoreError` and `psycopg.Error`."""
        if self._connection is not None and self._connected_by != dsn_text(self._session_dsn):
            self._leave()
        if self._connection is None:
            try:
                self._connected_by = dsn_text(self._session_dsn)
                self._connection = connect(self._connected_by)
                self._make_ready(self._connection)
            except (psycopg.Error, StoreError):
                self._hide()
                raise
        return self._connection

    def _leads(self, connection: psycopg.Connection) -> bool:
        """Return True if the connection holds the lock, False while another collector does. Raise `psycopg.Error`."""
        if not self._is_leader:
            try:
                with deadline(connection, HANG_SECONDS):
                    self._is_leader = bool(scalar(connection, "SELECT pg_try_advisory_lock(%s)", LOCK_KEY))
            finally:
                if not self._is_leader:
                    self._hide()
            if self._is_leader:
                self._await()
        return self._is_leader

    def _await(self) -> None:
        """Show from when each job is to run, unless times are shown: else a job that never succeeds is never late."""
        if not self._shows_times:
            for name in self._names:
                self._metrics.job_awaited_since.labels(name).set(self._now())
            self._shows_times = True

    def _make_ready(self, connection: psycopg.Connection) -> None:
        connection.autocommit = True
        with deadline(connection, HANG_SECONDS):
            unbound(connection)
            reach_extension(connection)
            # A job that waits for a lock blocks the writers behind it in the lock's queue.
            connection.execute("SET lock_timeout = '10s'")

    def _earlier(self, theirs: datetime) -> datetime:
        """Return the time for the jobs: the collector's clock or the server's, whichever is earlier.

        Then one clock that is ahead deletes nothing that is to be kept.
        """
        return min(datetime.fromtimestamp(self._now(), UTC), theirs)

    def _leave(self) -> None:
        """Close the connection, and lose the lock with it. The gauges stay until another collector has it."""
        connection, self._connection, self._is_leader = self._connection, None, False
        if connection is not None:
            connection.close()

    def _resign(self) -> None:
        """Give the lock up for good, and clear the gauges: the next holder shows them."""
        self._leave()
        self._hide()

    def _hide(self) -> None:
        m = self._metrics
        for gauge in (
            m.job_last_success,
            m.job_awaited_since,
            m.store_bytes,
            m.store_broken_policies,
            m.queue_messages,
            m.queue_oldest_age,
            m.auth_suspects,
            m.mail_new_patterns,
        ):
            gauge.clear()
        m.store_oldest_transaction_age.clear()
        self._shows_times = False

    def _run(self) -> None:
        while not self._stop.wait(TICK_SECONDS):
            self._scheduler.run_pending()
        self._resign()


def _clock_of(connection: psycopg.Connection) -> datetime:
    theirs = scalar(connection, "SELECT clock_timestamp()")
    assert isinstance(theirs, datetime)
    return theirs.astimezone(UTC)
