"""The coarse jobs: looking at files, showing gauges, finding targets. When lists are asked is the planner's."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

import schedule

from duckwatch.base.resources import shortage_of

log = logging.getLogger(__name__)


class Jobs(schedule.Scheduler):
    """Jobs that a clock set back does not hold up: schedule goes by the local time of the wall clock, and at the end of summer time
    nothing would be done for an hour.
    """

    def run_pending(self) -> None:
        """Runs what is due; what is due later than one period from now is brought forward."""
        now = datetime.now()  # noqa: DTZ005 - as schedule does
        for job in self.jobs:
            if job.next_run is not None:
                job.next_run = min(job.next_run, now + timedelta(seconds=job.interval))
        super().run_pending()

    def _run_job(self, job: schedule.Job) -> None:
        """Run a job. What it raises is logged, and it has its next turn; a shortage of the machine is raised, for it is waited for."""
        try:
            super()._run_job(job)
        except Exception as error:
            if shortage_of(error) is not None:
                raise
            log.exception("a job failed: it is tried again at its next turn")
            job._schedule_next_run()  # noqa: SLF001 - schedule does it only after a job that ended well
