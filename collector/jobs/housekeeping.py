"""The hourly job that lets go of old dead letters and of the reports of plugins that are gone."""

from __future__ import annotations

import logging
import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import schedule

from collector.errors import StoreError
from collector.store.connection import scalar, session
from collector.store.sql import query

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import timedelta

    from collector.jobs.reader_queries import ReaderQueries
    from collector.metrics import Metrics

log = logging.getLogger(__name__)

JOB: Final = "housekeeping"
LOCK_KEY: Final = 0x6B656570  # "keep": two collectors side by side do not run it at once
TICK_SECONDS: Final = 1.0


class Housekeeping:
    """Runs in a thread of its own, with the watch over the dashboards' role; a failure is counted and the next turn tries again."""

    def __init__(
        self, session_dsn: str, *, letters: timedelta, reader: ReaderQueries, metrics: Metrics, now: Callable[[], float]
    ) -> None:
        self._reader = reader
        self._session_dsn, self._letters, self._metrics, self._now = session_dsn, letters, metrics, now
        self._stop = threading.Event()
        self._scheduler = schedule.Scheduler()
        self._scheduler.every().hour.do(self.run)
        self._scheduler.every(reader.every_seconds).seconds.do(self.watch_reader)
        self._thread = threading.Thread(target=self._run, name="jobs", daemon=True)

    def start(self) -> None:
        """Begins the schedule."""
        self._thread.start()

    def stop(self) -> None:
        """Ends the schedule after the job under way."""
        self._stop.set()
        self._thread.join(timeout=5)

    def run(self) -> None:
        """Does the job once. Never raises: the result is in the metrics."""
        self._count(JOB, self._prune)

    def watch_reader(self) -> None:
        """Looks at the dashboards' role once. Never raises: the result is in the metrics."""
        self._count(self._reader.name, self._watch)

    def _count(self, job: str, work: Callable[[], None]) -> None:
        try:
            work()
        except StoreError as error:
            log.warning("a job failed", extra={"fields": {"job": job, "error": type(error).__name__}})
            self._metrics.job_runs.labels(job, "failed").inc()
            return
        self._metrics.job_runs.labels(job, "succeeded").inc()
        self._metrics.job_last_success.labels(job).set(self._now())

    def _watch(self) -> None:
        with session(self._session_dsn) as connection:
            self._reader.run(connection, datetime.fromtimestamp(self._now(), UTC), self._stop.is_set)

    def _prune(self) -> None:
        with session(self._session_dsn) as connection:
            if not scalar(connection, "SELECT pg_try_advisory_xact_lock(%s)", LOCK_KEY):
                return
            connection.execute(query("prune_reports"))
            while connection.execute(query("prune_letters"), (self._letters,)).rowcount:
                if self._stop.is_set():
                    break

    def _run(self) -> None:
        while not self._stop.wait(TICK_SECONDS):
            self._scheduler.run_pending()
