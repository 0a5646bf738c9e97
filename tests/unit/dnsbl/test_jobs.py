"""The coarse jobs go on whatever the wall clock does."""

from __future__ import annotations

from datetime import timedelta

from exporters.dnsbl.jobs import Jobs


def test_a_clock_that_is_set_back_stops_no_job() -> None:
    """What is due an hour ahead, as all is at the end of summer time, is due in one period; and what is due runs."""
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
