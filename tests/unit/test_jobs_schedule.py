"""The jobs' schedule when the clock is set."""

from __future__ import annotations

from datetime import datetime, timedelta

import schedule

from collector.jobs.scheduler import not_later


def test_a_clock_that_is_set_back_stops_no_job() -> None:
    """At the end of summer time everything is due an hour ahead: it is brought forward to one period from now, and nothing else moves."""
    scheduler = schedule.Scheduler()
    job = scheduler.every(5).seconds.do(lambda: None)
    assert job.next_run is not None
    now = datetime.now()  # noqa: DTZ005 - as schedule does
    planned = job.next_run
    not_later(scheduler.jobs, now)
    assert job.next_run == min(planned, now + timedelta(seconds=5))
    not_later(scheduler.jobs, now - timedelta(hours=1))
    assert job.next_run == now - timedelta(hours=1) + timedelta(seconds=5)
