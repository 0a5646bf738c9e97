"""The coarse jobs: looking at files, showing gauges, finding targets. When lists are asked is the planner's."""

from __future__ import annotations

from datetime import datetime, timedelta

import schedule


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
