"""`doctor`'s findings about TimescaleDB's job statistics."""

from __future__ import annotations

import pytest

from collector.operations.doctor.policies import judge_policy_jobs
from collector.store.rollups.policy_jobs import PolicyJob

GOOD = PolicyJob(1000, "retention", "mail_events", True, False, 0, 9, 60.0, 59.0, -300.0, 86_400.0, None)


@pytest.mark.parametrize(
    ("change", "status", "words"),
    [
        ({}, "ok", "1 jobs"),
        ({"failures": 3}, "ok", "1 jobs"),
        ({"has_failed": True, "failures": 1, "succeeded": 90_000.0}, "warning", "the last good one ended 25 h ago"),
        ({"has_failed": True, "failures": 9, "succeeded": 90_001.0}, "fault", "9 of 9 runs failed"),
        ({"has_failed": True, "succeeded": None, "sqlstate": "55P03"}, "fault", "SQLSTATE 55P03"),
        ({"is_on": False, "has_failed": True}, "fault", "switched off: old rows stay"),
        ({"runs": None, "has_failed": None}, "warning", "1 of 1 jobs have not run yet"),
        ({"overdue": 600.0}, "ok", "1 jobs"),
        ({"overdue": 601.0}, "fault", "overdue, one by 10 min"),
        ({"is_on": False, "overdue": 9e9, "runs": None}, "fault", "switched off"),
    ],
)
def test_a_job_is_judged_by_how_long_it_has_not_been_good(change: dict[str, object], status: str, words: str) -> None:
    """One failure of a job is a warning; no success for its interval and an hour, or a disabled job, is a fault."""
    [found] = judge_policy_jobs([GOOD._replace(**change)])  # type: ignore[arg-type]  # fields of any type
    assert found.status.value == status
    assert words in found.what
    assert bool(found.remedy) is (status != "ok")
