"""The library `schedule`, made safe against a wall clock that is set back."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import schedule

if TYPE_CHECKING:
    from collections.abc import Iterable


class ClockSafeScheduler(schedule.Scheduler):
    """A scheduler that keeps its periods when the clock is set back.

    `schedule` uses local time: at the end of summer time it would run nothing for an hour.
    """

    def run_pending(self) -> None:
        """Run the due jobs, after bringing forward each job that is due more than one period from now."""
        bring_forward(self.jobs, datetime.now())  # noqa: DTZ005 - `schedule` uses local time
        super().run_pending()


def bring_forward(jobs: Iterable[schedule.Job], now: datetime) -> None:
    """Set the next run of each job to one period from `now` at the latest."""
    for job in jobs:
        if job.next_run is not None:
            job.next_run = min(job.next_run, now + timedelta(seconds=job.interval))
