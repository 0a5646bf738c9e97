"""The coarse jobs: looking at files, showing gauges, finding targets. When lists are asked is the planner's."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from duckwatch.base.resources import shortage_of
from duckwatch.base.schedule import ClockSafeScheduler

if TYPE_CHECKING:
    import schedule

log = logging.getLogger(__name__)


class Jobs(ClockSafeScheduler):
    """Jobs of which one that fails holds up no other."""

    def _run_job(self, job: schedule.Job) -> None:
        """Run a job. What it raises is logged, and it has its next turn;
        a shortage of the machine is raised, for it is waited for.
        """
        try:
            super()._run_job(job)
        except Exception as error:
            if shortage_of(error) is not None:
                raise
            log.exception("a job failed: it is tried again at its next turn")
            job._schedule_next_run()  # noqa: SLF001 - schedule does it only after a job that ended well
