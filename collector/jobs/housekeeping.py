"""The hourly job that lets go of old dead letters and of the reports of plugins that are gone."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Final

import schedule

from collector.errors import StoreError
from collector.store.connection import scalar, session
from collector.store.sql import query

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import timedelta

    from collector.metrics import Metrics

log = logging.getLogger(__name__)

JOB: Final = "housekeeping"
LOCK_KEY: Final = 0x6B656570  # "keep": two collectors side by side do not run it at once
TICK_SECONDS: Final = 1.0


class Housekeeping:
    """Runs in a thread of its own; a failure is counted and the next hour tries again."""

    def __init__(self, session_dsn: str, *, letters: timedelta, metrics: Metrics, now: Callable[[], float]) -> None:
        self._session_dsn, self._letters, self._metrics, self._now = session_dsn, letters, metrics, now
        self._stop = threading.Event()
        self._scheduler = schedule.Scheduler()
        self._scheduler.every().hour.do(self.run)
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
        try:
            self._prune()
        except StoreError as error:
            log.warning("housekeeping failed", extra={"fields": {"error": type(error).__name__}})
            self._metrics.job_runs.labels(JOB, "failed").inc()
            return
        self._metrics.job_runs.labels(JOB, "succeeded").inc()
        self._metrics.job_last_success.labels(JOB).set(self._now())

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
