"""The jobs' thread: a schedule, and the session lock that lets one collector of a database run it.

All work is done over the connection that holds the lock, so that whoever loses the one cannot go on with the other.
"""

from __future__ import annotations

import logging
import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, Protocol, runtime_checkable

import psycopg

from collector.config.renewable import text_of
from collector.errors import StoreError
from collector.store.database.connection import HANG_SECONDS, connect, cut, deadline, scalar, translate, unbound
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
"""A job without an end for this long is broken off: a peer that is silent but alive would hold it for ever."""


class Job(Protocol):
    """One piece of work. `name` is its label in the metrics; it is run `every_seconds`. One with a true `goes_by_the_server` is given the
    database's clock.
    """

    name: str
    every_seconds: int

    def run(self, connection: psycopg.Connection, now: datetime, is_over: Callable[[], bool]) -> None:
        """Does it once, over a connection in autocommit mode; ends soon when `is_over`. Raises `psycopg.Error`."""


@runtime_checkable
class CountingJob(Protocol):
    """A job that counts what it commits."""

    def settle(self, connection: psycopg.Connection) -> None:
        """Finds out about a COMMIT without a reply, and counts what it did. Called before each turn, also while another collector runs the
        jobs: the count is this process's. Raises `psycopg.Error` and `StoreError`.
        """


class Jobs:
    """Runs jobs in a thread of its own; a failure is counted and the job's next turn tries again. `now` is in epoch seconds."""

    def __init__(
        self, session_dsn: Connectable, jobs: Sequence[Job], *, metrics: Metrics, now: Callable[[], float]
    ) -> None:
        self._session_dsn, self._metrics, self._now = session_dsn, metrics, now
        self._connection: psycopg.Connection | None = None
        self._connected_by = ""
        self._is_leader = False
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
        """Begins the schedule; the schema must be there."""
        self._thread.start()

    def stop(self) -> None:
        """Ends the schedule after the statement under way, or breaks that off when it takes long."""
        self._stop.set()
        if not self._thread.is_alive():
            return
        self._thread.join(STOP_SECONDS)
        if self._thread.is_alive() and self._connection is not None:
            cut(self._connection)
            self._thread.join(STOP_SECONDS)

    def run(self, job: Job) -> None:
        """Runs a job once, if this collector holds the lock. Never raises: the result is in the metrics."""
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
            told = translate(error) if isinstance(error, psycopg.Error) else error
            self._failed(job, getattr(told, "kind", "bad_row"), getattr(told, "sqlstate", None))
            # A session keeps what was set for its role when it began: only a new one sees that it was mended.
            self._leave()
        except Exception:
            log.exception("a job failed within the collector")
            self._failed(job, "internal", None)
        else:
            self._metrics.job_runs.labels(job.name, "succeeded").inc()
            self._metrics.job_last_success.labels(job.name).set(self._now())
            if self._troubles.pop(job.name, None) is not None:
                log.warning("a job succeeds again", extra={"fields": {"job": job.name}})

    def _failed(self, job: Job, kind: str, sqlstate: str | None) -> None:
        if self._troubles.get(job.name) != (kind, sqlstate):
            log.warning("a job failed", extra={"fields": {"job": job.name, "kind": kind, "sqlstate": sqlstate}})
        self._troubles[job.name] = kind, sqlstate
        self._metrics.count_refusal(sqlstate)
        self._metrics.job_runs.labels(job.name, "failed").inc()

    def _connected(self) -> psycopg.Connection:
        """Returns the connection, opened if need be. Raises `StoreError` and `psycopg.Error`."""
        if self._connection is not None and self._connected_by != text_of(self._session_dsn):
            self._leave()
        if self._connection is None:
            try:
                self._connected_by = text_of(self._session_dsn)
                self._connection = connect(self._connected_by)
                self._make_ready(self._connection)
            except (psycopg.Error, StoreError):
                self._hide()
                raise
        return self._connection

    def _leads(self, connection: psycopg.Connection) -> bool:
        """True when the connection holds the lock; False while another collector has it. Raises `psycopg.Error`."""
        if not self._is_leader:
            try:
                with deadline(connection, HANG_SECONDS):
                    self._is_leader = bool(scalar(connection, "SELECT pg_try_advisory_lock(%s)", LOCK_KEY))
            finally:
                if not self._is_leader:
                    self._hide()
        return self._is_leader

    def _make_ready(self, connection: psycopg.Connection) -> None:
        connection.autocommit = True
        with deadline(connection, HANG_SECONDS):
            unbound(connection)
            reach_extension(connection)
            # A job that waits for a lock holds up those who come after it in the queue: writers.
            connection.execute("SET lock_timeout = '10s'")

    def _earlier(self, theirs: datetime) -> datetime:
        """The time that jobs go by: ours or the server's, whichever is earlier. One clock that is ahead must not delete what is kept."""
        return min(datetime.fromtimestamp(self._now(), UTC), theirs)

    def _leave(self) -> None:
        """Closes the connection, and with it goes the lock. The gauges stay until it is known whether we get it again."""
        connection, self._connection, self._is_leader = self._connection, None, False
        if connection is not None:
            connection.close()

    def _resign(self) -> None:
        """Leaves for good: the gauges are the next holder's to show."""
        self._leave()
        self._hide()

    def _hide(self) -> None:
        m = self._metrics
        for gauge in (m.job_last_success, m.store_bytes, m.queue_messages, m.queue_oldest_age, m.auth_suspects):
            gauge.clear()
        m.store_oldest_transaction_age.clear()

    def _run(self) -> None:
        while not self._stop.wait(TICK_SECONDS):
            self._scheduler.run_pending()
        self._resign()


def _clock_of(connection: psycopg.Connection) -> datetime:
    theirs = scalar(connection, "SELECT clock_timestamp()")
    assert isinstance(theirs, datetime)
    return theirs.astimezone(UTC)
