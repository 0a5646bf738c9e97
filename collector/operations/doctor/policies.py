"""The check of TimescaleDB Community's background jobs: refresh, compression, retention."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from collector.finding import age, fault, ok, warning
from collector.store.rollups.policy_jobs import policy_jobs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from collector.finding import Finding
    from collector.operations.doctor.installation import Installation
    from collector.store.rollups.policy_jobs import PolicyJob

WITHOUT_IT: Final = {
    "retention": "old rows stay",
    "columnstore": "events stay uncompressed",
    "refresh": "queries add up more and more events",
}
WORKERS: Final = (
    "look for 'out of background workers' or a worker that ended in the server's log; "
    "timescaledb.max_background_workers must be at "
    "least the number of databases with TimescaleDB plus 8, max_worker_processes more than that and the parallel "
    "workers"
)


def policies(installation: Installation) -> Iterator[Finding]:
    """Check that the jobs are on, run, and succeed."""
    with installation.database() as connection:
        jobs = policy_jobs(connection)
    if jobs is None:
        yield ok("none here: the collector's own jobs do the work (duckwatch_job_last_success_timestamp_seconds)")
    else:
        yield from judge_policy_jobs(jobs)


def judge_policy_jobs(jobs: list[PolicyJob]) -> Iterator[Finding]:
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
            f"remove the cause that timescaledb_information.job_errors names (job_id {job.number}); "
            f"then the job runs by itself, or at once by CALL run_job({job.number})"
        )
        yield (fault if job.keeps_failing else warning)(what, remedy)


def _running(jobs: list[PolicyJob]) -> Iterator[Finding]:
    on = [job for job in jobs if job.is_on]
    never = [job for job in on if not job.runs]
    overdue = [job.overdue or 0 for job in on if job.is_overdue]
    if never:
        yield warning(
            f"{len(never)} of {len(jobs)} jobs have not run yet", f"wait a minute after a first start; then {WORKERS}"
        )
    if overdue:
        yield fault(f"{len(overdue)} of {len(jobs)} jobs are overdue, one by {age(max(overdue))}", WORKERS)
