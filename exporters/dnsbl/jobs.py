"""The periodic jobs: watching files, setting gauges, discovering targets. The planner schedules the checks."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from duckwatch.base.resources import shortage_of
from duckwatch.base.schedule import ClockSafeScheduler

if TYPE_CHECKING:
    import schedule

log = logging.getLogger(__name__)


class Jobs(ClockSafeScheduler):
    """A scheduler in which a failing job does not stop the others."""

    def _run_job(self, job: schedule.Job) -> None:
        """Run a job. Log an exception and keep the job's next turn; raise a resource shortage, which the caller waits
        out.
        """
        try:
            super()._run_job(job)
        except Exception as error:
            if shortage_of(error) is not None:
                raise
            log.exception("a job failed because of an error in the exporter: it runs again at its next turn")
            job._schedule_next_run()  # noqa: SLF001 - schedule does it only after a job that ended well
