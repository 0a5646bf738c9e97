"""The periodic jobs run whatever the wall clock does."""

from __future__ import annotations

import errno
from datetime import datetime, timedelta

import pytest

from exporters.dnsbl.jobs import Jobs


def test_a_clock_that_is_set_back_stops_no_job() -> None:
    """A job due an hour ahead, as at the end of summer time, is due in one period, and due jobs run."""
    ran: list[str] = []
    jobs = Jobs()
    ahead, due = jobs.every(5).seconds.do(ran.append, "ahead"), jobs.every(5).seconds.do(ran.append, "due")
    assert ahead.next_run is not None
    assert due.next_run is not None
    planned = ahead.next_run
    ahead.next_run = planned + timedelta(hours=1)
    due.next_run = planned - timedelta(hours=1)
    jobs.run_pending()
    assert ran == ["due"]
    assert timedelta(0) <= ahead.next_run - planned < timedelta(minutes=1)


def test_a_job_that_fails_holds_up_no_other_and_has_its_next_turn() -> None:
    """A failing job stops no other and has its next turn; a resource shortage is raised to the caller."""
    jobs, done = Jobs(), list[str]()
    errors: list[Exception] = [ValueError(), OSError(errno.EMFILE, "x")]

    def fail() -> None:
        done.append("failing")
        raise errors[0]

    jobs.every(10).seconds.do(fail)
    jobs.every(10).seconds.do(lambda: done.append("other"))
    for job in jobs.jobs:
        job.next_run = datetime.now() - timedelta(seconds=1)  # noqa: DTZ005
    jobs.run_pending()
    assert sorted(done) == ["failing", "other"]
    assert all(job.next_run is not None and job.next_run > datetime.now() for job in jobs.jobs)  # noqa: DTZ005
    jobs.jobs[0].next_run = datetime.now() - timedelta(seconds=1)  # noqa: DTZ005
    del errors[0]
    with pytest.raises(OSError, match="x"):
        jobs.run_pending()
