"""The check of TimescaleDB Community's background jobs: refresh, compression, retention."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from collector.finding import age, fault, ok, warning
from collector.store.database.sql import query
from collector.store.database.tiers import layout_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from collector.finding import Finding
    from collector.operations.doctor.installation import Installation

PATIENCE_SECONDS: Final = 3600.0
"""How long a job may go without a good run beyond its interval. Single failures are normal, for example behind a lock.
"""

OVERDUE_SECONDS: Final = 600.0

WITHOUT_IT: Final = {
    "retention": "what is old stays",
    "columnstore": "events stay uncompressed",
    "refresh": "queries add up ever more events",
}
WORKERS: Final = (
    "look for 'out of background workers' or a worker that ended in the server's log; "
    "timescaledb.max_background_workers must be at "
    "least the number of databases with TimescaleDB plus 8, max_worker_processes more than that and the parallel "
    "workers"
)


class PolicyJob(NamedTuple):
    """A policy's job. Times are in seconds before now, None for never."""

    number: int
    kind: str
    relation: str
    is_on: bool
    has_failed: bool | None
    failures: int | None
    runs: int | None
    started: float | None
    succeeded: float | None
    overdue: float | None
    interval: float
    sqlstate: str | None

    def __str__(self) -> str:
        """Return the job's name for messages."""
        return f"the {self.kind} policy of {self.relation} (job {self.number})"


def policies(installation: Installation) -> Iterator[Finding]:
    """Check that the jobs are on, run, and succeed."""
    with installation.database() as connection:
        if not layout_of(connection).has_aggregates:
            yield ok("none here: the collector's own jobs do the work (duckwatch_job_last_success_timestamp_seconds)")
            return
        jobs = [PolicyJob(*row) for row in connection.execute(query("job_states"))]
    yield from judge(jobs)


def judge(jobs: list[PolicyJob]) -> Iterator[Finding]:
    """Yield the faults of the jobs, or the finding that there are none."""
    found = [*(finding for job in jobs for finding in _judged(job)), *_running(jobs)]
    yield from found or [ok(f"{len(jobs)} jobs of TimescaleDB, each successful when it last ran")]


def _judged(job: PolicyJob) -> Iterator[Finding]:
    if not job.is_on:
        yield fault(
            f"{job} is switched off: {WITHOUT_IT[job.kind]}", f"SELECT alter_job({job.number}, scheduled => true)"
        )
    elif job.has_failed:
        good = "none was good" if job.succeeded is None else f"the last good one ended {age(job.succeeded)} ago"
        what = (
            f"{job} failed {age(job.started or 0)} ago with SQLSTATE {job.sqlstate or 'unknown'} "
            f"({job.failures} of {job.runs} runs failed, {good}): {WITHOUT_IT[job.kind]}"
        )
        remedy = (
            f"timescaledb_information.job_errors has the server's words (job_id {job.number}); once mended it runs "
            "by itself, or at once "
            f"by CALL run_job({job.number})"
        )
        is_old = job.succeeded is None or job.succeeded > job.interval + PATIENCE_SECONDS
        yield (fault if is_old else warning)(what, remedy)


def _running(jobs: list[PolicyJob]) -> Iterator[Finding]:
    on = [job for job in jobs if job.is_on]
    never = [job for job in on if not job.runs]
    overdue = [job.overdue for job in on if job.overdue is not None and job.overdue > OVERDUE_SECONDS]
    if never:
        yield warning(
            f"{len(never)} of {len(jobs)} jobs have not run yet", f"wait a minute after a first start; then {WORKERS}"
        )
    if overdue:
        yield fault(f"{len(overdue)} of {len(jobs)} jobs are overdue, one by {age(max(overdue))}", WORKERS)
