"""`doctor` and the jobs of a real TimescaleDB Community: off, never run, good, failing."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import psycopg
import pytest

from collector.config import CollectorSettings
from collector.config.model import RetentionSettings
from collector.jobs import Policies
from collector.metrics import Metrics
from collector.operations.doctor import CHECKS, examine
from collector.operations.doctor.installation import Installation
from collector.store.migrations import migrate
from collector.store.rollups.policy_jobs import KINDS
from collector.store.schema.layout import lay_out
from tests.integration.house import stop_policies
from tests.servers.community import Community

if TYPE_CHECKING:
    from collector.finding import Finding
    from tests.servers.given import GivenCommunity

JOBS = 12

RECORDS = """
INSERT INTO _timescaledb_internal.bgw_job_stat
SELECT id, now() - interval '10 s', now(), now() + interval '1 min', now(), true, 1, '10 s', '0', 1, 0, 0, 0, 0, 0
FROM _timescaledb_config.bgw_job WHERE id >= 1000
"""
"""One good run of each job, as a worker of TimescaleDB records it."""

RETENTION = "(SELECT min(job_id) FROM timescaledb_information.jobs WHERE proc_name = 'policy_retention')"
FAILURE = f"""
UPDATE _timescaledb_internal.bgw_job_stat
SET last_run_success = false, total_runs = 3, total_failures = 2, last_successful_finish = now() - %s::interval
WHERE job_id = {RETENTION}
"""
ERROR = f"""
INSERT INTO _timescaledb_internal.bgw_job_stat_history (job_id, pid, execution_start, execution_finish, succeeded, data)
SELECT {RETENTION}, 1, now(), now(), false, '{{"error_data": {{"sqlerrcode": "55P03"}}}}'
"""


def policies(dsn: str) -> list[Finding]:
    """Return the findings of the check."""
    settings = CollectorSettings.model_validate({"database": {"dsn": dsn}})
    installation = Installation(settings, None)
    try:
        return list(examine(installation, {"policies": CHECKS["policies"]}))
    finally:
        installation.close()


def told(dsn: str) -> list[tuple[str, str]]:
    """Return status and text of each finding."""
    return [(one.status.value, one.what) for one in policies(dsn)]


@pytest.fixture
def database(community: Community | GivenCommunity) -> Community | GivenCommunity:
    """Return a prepared database whose policies are off. It takes one connection at a time."""
    with community.connect(autocommit=True) as connection:
        connection.execute("CREATE EXTENSION timescaledb")
        connection.autocommit = False
        migrate(connection)
        connection.autocommit = True
        lay_out(connection, RetentionSettings(), datetime.now(UTC))
        stop_policies(connection)
    return community


def test_without_timescaledb_there_are_no_policies(postgres_dsn: str) -> None:
    """On plain PostgreSQL the check says which jobs do the work instead."""
    [(status, what)] = told(postgres_dsn)
    assert status == "ok"
    assert "the collector's own jobs" in what


@pytest.mark.servers
def test_a_policy_that_is_off_is_a_fault_until_the_remedy_is_typed(database: Community | GivenCommunity) -> None:
    """Each policy that is off is named with what it leaves undone, and its remedy switches it on."""
    found = policies(database.dsn)
    assert [one.status.value for one in found] == ["fault"] * JOBS
    assert found[1].what.startswith("the retention policy of mail_events (job ")
    assert found[1].what.endswith(") is switched off: old rows stay")
    with database.connect(autocommit=True) as connection:
        for one in found:
            connection.execute(one.remedy.encode())
    assert not [one for one in policies(database.dsn) if "switched off" in one.what]


@pytest.mark.servers
def test_a_policy_that_fails_is_a_fault_after_its_interval_and_an_hour(database: Community | GivenCommunity) -> None:
    """Jobs that have not run are a warning, good ones are fine, and a failing one is named with its SQLSTATE."""
    if not isinstance(database, Community):
        pytest.skip("the workers of this server write the records themselves")
    with database.connect(autocommit=True) as connection:
        connection.execute("SELECT alter_job(job_id, scheduled => true) FROM timescaledb_information.jobs")
    assert told(database.dsn) == [("warning", f"{JOBS} of {JOBS} jobs have not run yet")]
    with database.connect(autocommit=True) as connection:
        connection.execute(RECORDS)
    assert told(database.dsn) == [("ok", f"{JOBS} jobs of TimescaleDB, each successful when it last ran")]
    for since, status in (("5 min", "warning"), ("26 h", "fault")):
        with database.connect(autocommit=True) as connection:
            connection.execute(FAILURE.encode(), (since,))
            connection.execute(ERROR.encode())
        [found] = policies(database.dsn)
        assert found.status.value == status
        assert "with SQLSTATE 55P03" in found.what
        assert "2 of 3 runs failed" in found.what
        assert "CALL run_job(" in found.remedy


@pytest.mark.servers
def test_policies_that_do_not_work_are_counted_by_kind(database: Community | GivenCommunity) -> None:
    """Those that are off count as the doctor judges them; so do those that find no worker or fail for long."""
    metrics = Metrics()

    def shown(*, after: str = "SELECT", values: tuple[str, ...] = ()) -> dict[str, float | None]:
        with database.connect(autocommit=True) as connection:
            connection.execute(after.encode(), values)
            Policies(metrics).run(connection, datetime.now(UTC), lambda: False)
        name = "duckwatch_store_broken_policies"
        return {kind: metrics.registry.get_sample_value(name, {"policy": kind}) for kind in KINDS}

    off = Counter(one.what.split()[1] for one in policies(database.dsn))
    assert shown() == dict(off)
    if not isinstance(database, Community):
        pytest.skip("the workers of this server write the records themselves")
    switched_on = "SELECT alter_job(job_id, scheduled => true) FROM timescaledb_information.jobs"
    assert shown(after=switched_on) == dict.fromkeys(KINDS, 0)
    assert shown(after=RECORDS) == dict.fromkeys(KINDS, 0)
    assert shown(after=FAILURE, values=("5 min",)) == dict.fromkeys(KINDS, 0)
    assert shown(after=FAILURE, values=("26 h",)) == {"retention": 1, "columnstore": 0, "refresh": 0}
    no_worker = "UPDATE _timescaledb_internal.bgw_job_stat SET next_start = now() - interval '11 min'"
    assert shown(after=no_worker) == dict(off)


def test_where_timescaledb_has_no_policies_none_is_broken(postgres_dsn: str) -> None:
    """The metric is absent on plain PostgreSQL: a 0 would say that policies work."""
    metrics = Metrics()
    with psycopg.connect(postgres_dsn, autocommit=True) as connection:
        Policies(metrics).run(connection, datetime.now(UTC), lambda: False)
    assert metrics.registry.get_sample_value("duckwatch_store_broken_policies", {"policy": "refresh"}) is None
