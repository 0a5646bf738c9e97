"""A clock that is set back stops no job of either program."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
import schedule

from collector.jobs import Jobs as CollectorJobs
from collector.metrics import Metrics
from duckwatch.base.schedule import ClockSafeScheduler, bring_forward
from exporters.dnsbl.jobs import Jobs as ExporterJobs


def test_a_clock_that_is_set_back_stops_no_job() -> None:
    """At the end of summer time a job due an hour ahead is brought forward to one period from now, and no other."""
    scheduler = schedule.Scheduler()
    job = scheduler.every(5).seconds.do(lambda: None)
    assert job.next_run is not None
    now = datetime.now()  # noqa: DTZ005 - as schedule does
    planned = job.next_run
    bring_forward(scheduler.jobs, now)
    assert job.next_run == min(planned, now + timedelta(seconds=5))
    bring_forward(scheduler.jobs, now - timedelta(hours=1))
    assert job.next_run == now - timedelta(hours=1) + timedelta(seconds=5)


def of_collector() -> schedule.Scheduler:
    found: schedule.Scheduler = CollectorJobs("", [], metrics=Metrics(), now=float)._scheduler
    return found


@pytest.mark.parametrize("scheduler", [of_collector, ExporterJobs, ClockSafeScheduler])
def test_what_is_due_too_late_is_brought_forward(scheduler: type[schedule.Scheduler]) -> None:
    """Every look for due jobs brings late ones forward."""
    made = scheduler()
    job = made.every(5).seconds.do(lambda: None)
    assert job.next_run is not None
    planned, job.next_run = job.next_run, job.next_run + timedelta(hours=1)
    made.run_pending()
    assert timedelta(0) <= job.next_run - planned < timedelta(minutes=1)
