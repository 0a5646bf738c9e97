"""The library `schedule`, held to its periods when the wall clock is set back."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import schedule

if TYPE_CHECKING:
    from collections.abc import Iterable


class ClockSafeScheduler(schedule.Scheduler):
    """A scheduler that a clock set back does not hold up.

    `schedule` goes by the local time of the wall clock: at the end of summer time it would run nothing for an hour.
    """

    def run_pending(self) -> None:
        """Run what is due, after what is due later than one period from now was brought forward."""
        bring_forward(self.jobs, datetime.now())  # noqa: DTZ005 - as schedule does
        super().run_pending()


def bring_forward(jobs: Iterable[schedule.Job], now: datetime) -> None:
    """Set the next run of each job to one period from `now` at the latest."""
    for job in jobs:
        if job.next_run is not None:
            job.next_run = min(job.next_run, now + timedelta(seconds=job.interval))
