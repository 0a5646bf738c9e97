"""The jobs' thread: one collector of a database runs the jobs, and its metrics show their state."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, LiteralString

import psycopg
import pytest

from collector.jobs import Jobs, OpenTransactions, Sizes
from collector.metrics import Metrics
from collector.store.writing.batch_write import PostgresStore
from tests.servers.process import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

pytestmark = pytest.mark.servers

STORAGE: Final = Path(__file__).parents[3] / "docs" / "storage.md"


class NotingJob:
    """A job that notes its runs."""

    name = "note"
    every_seconds = 1
    goes_by_the_server = False

    def __init__(self) -> None:
        self.moments: list[datetime] = []

    def run(self, connection: psycopg.Connection, now: datetime, is_over: Callable[[], bool]) -> None:
        """Note the run, and write."""
        connection.execute("CREATE TEMPORARY TABLE IF NOT EXISTS notes ()")
        self.moments.append(now)


class Collector:
    """The jobs of one collector."""

    def __init__(self, dsn: str, now: Callable[[], float] = time.time) -> None:
        self.metrics, self.note = Metrics(), NotingJob()
        self.jobs = Jobs(dsn, [self.note, Sizes(self.metrics)], metrics=self.metrics, now=now)

    def value(self, name: str, **labels: str) -> float | None:
        """Return a sample of /metrics."""
        return self.metrics.registry.get_sample_value(name, labels)


def alter_database(dsn: str, change: LiteralString) -> None:
    """Change a setting of the database as an administrator does. It applies to new sessions."""
    with psycopg.connect(dsn, autocommit=True) as other:
        name = psycopg.sql.Identifier(other.info.dbname)
        # A previous change may have made the database read-only.
        other.execute("SET default_transaction_read_only = off")
        other.execute(psycopg.sql.SQL("ALTER DATABASE {} {}").format(name, psycopg.sql.SQL(change)))


def test_one_of_two_collectors_runs_the_jobs(postgres_dsn: str) -> None:
    """One of two collectors runs the jobs and shows their gauges; the other takes over when it ends."""
    first, second = Collector(postgres_dsn), Collector(postgres_dsn)
    for one in (first, second):
        one.jobs.start()
        wait_until(lambda: first.note.moments, "the first runs")
    wait_until(lambda: len(first.note.moments) > 2, "the first goes on")
    assert not second.note.moments
    assert first.value("duckwatch_job_last_success_timestamp_seconds", task="note")
    first.jobs.stop()
    wait_until(lambda: second.note.moments, "the second takes over")
    assert first.value("duckwatch_job_last_success_timestamp_seconds", task="note") is None
    second.jobs.stop()


def test_a_collector_that_gives_the_jobs_up_shows_none_of_their_gauges(postgres_dsn: str) -> None:
    """Its last values would stand beside those of the next: the page names each gauge that goes."""
    one = Collector(postgres_dsn)
    named = re.findall(r"^- `(duckwatch_\w+)(?:\{([\w,]+)\})?`$", STORAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(named) == 9
    gauges = one.metrics.registry._names_to_collectors
    for name, labels in named:
        gauge: Any = gauges[name]
        (gauge.labels(*labels.split(",")) if labels else gauge).set(1)

    def shown() -> set[str]:
        return {sample.name for family in one.metrics.registry.collect() for sample in family.samples}

    assert {name for name, _ in named} <= shown()
    one.jobs._resign()
    assert not {name for name, _ in named} & shown()


def test_a_job_that_has_not_succeeded_yet_is_awaited(postgres_dsn: str) -> None:
    """From the moment the collector runs the jobs, through failures, until the job succeeds: it may be late from then
    on, although it has no last success.
    """
    clock = [1000.0]
    one = Collector(postgres_dsn, lambda: clock[0])
    awaited, last = "duckwatch_job_awaited_since_timestamp_seconds", "duckwatch_job_last_success_timestamp_seconds"
    alter_database(postgres_dsn, "SET default_transaction_read_only = on")
    for clock[0] in (1000.0, 1060.0):
        one.jobs.run(Sizes(one.metrics))
        one.jobs.run(one.note)
    alter_database(postgres_dsn, "RESET default_transaction_read_only")
    assert (one.value(awaited, task="note"), one.value(last, task="note")) == (1000, None)
    clock[0] = 1120.0
    for _ in range(2):
        one.jobs.run(one.note)
    assert (one.value(awaited, task="note"), one.value(last, task="note")) == (None, 1120)
    assert (one.value(awaited, task="sizes"), one.value(last, task="sizes")) == (None, 1060)
    one.jobs._resign()
    clock[0] = 1180.0
    one.jobs.run(one.note)
    assert (one.value(awaited, task="note"), one.value(awaited, task="sizes")) == (None, 1180)
    one.jobs._resign()


def test_a_connection_that_is_cut_is_made_anew(postgres_dsn: str) -> None:
    """A run whose connection is cut fails and is counted, and the next succeeds with a new connection."""
    one = Collector(postgres_dsn)
    one.jobs.run(one.note)
    with psycopg.connect(postgres_dsn, autocommit=True) as other:
        other.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'duckwatch-collector'"
        )
    for _ in range(2):
        one.jobs.run(one.note)
    assert one.value("duckwatch_job_runs_total", task="note", result="failed") == 1
    assert one.value("duckwatch_job_runs_total", task="note", result="succeeded") == 2
    one.jobs._resign()


def test_a_job_that_goes_on_failing_is_told_of_once(postgres_dsn: str, caplog: pytest.LogCaptureFixture) -> None:
    """A job that keeps failing is logged once."""
    one = Collector(postgres_dsn)
    for change in ("SET default_transaction_read_only = on", "RESET default_transaction_read_only"):
        alter_database(postgres_dsn, change)
        for _ in range(3):
            one.jobs.run(one.note)
    assert one.value("duckwatch_job_runs_total", task="note", result="failed") == 3
    assert caplog.messages == ["a job failed", "a job succeeds again"]
    one.jobs._resign()


def test_what_was_set_for_the_role_and_is_mended_needs_no_restart(postgres_dsn: str) -> None:
    """After a corrected role setting the job fails at most once more, because it opens a new session."""
    alter_database(postgres_dsn, "SET default_transaction_read_only = on")
    one = Collector(postgres_dsn)
    one.jobs.run(Sizes(one.metrics))
    one.jobs.run(one.note)
    alter_database(postgres_dsn, "RESET default_transaction_read_only")
    for _ in range(2):
        one.jobs.run(one.note)
    assert one.value("duckwatch_job_runs_total", task="note", result="succeeded")
    assert one.value("duckwatch_job_last_success_timestamp_seconds", task="sizes")
    one.jobs._resign()


def test_a_clock_that_is_ahead_does_not_count(postgres_dsn: str) -> None:
    """Jobs use the earlier of two clocks, because a clock that is ahead would delete rows too early."""
    for step in (-1e6, 1e6):
        one = Collector(postgres_dsn, lambda step=step: time.time() + step)  # type: ignore[misc]
        one.jobs.run(one.note)
        assert one.note.moments[0].timestamp() < time.time() + 60 + min(step, 0)
        one.jobs._resign()


def test_a_job_may_go_by_the_servers_clock(postgres_dsn: str) -> None:
    """A job whose rows have the server's times uses the server's clock, also if the collector's is behind."""
    one = Collector(postgres_dsn, lambda: time.time() - 72_000)
    one.note.goes_by_the_server = True
    one.jobs.run(one.note)
    assert abs(one.note.moments[0].timestamp() - time.time()) < 60
    one.jobs._resign()


def test_the_size_of_each_relation_is_shown(any_dsn: str) -> None:
    """The sizes of tables, roll-ups, and a hypertable with its chunks are shown."""
    store = PostgresStore(any_dsn, any_dsn)
    store.prepare()
    one = Collector(any_dsn)
    one.jobs.run(Sizes(one.metrics))
    before = one.value("duckwatch_store_bytes", relation="mail_events")
    with psycopg.connect(any_dsn) as connection:
        connection.execute(
            "INSERT INTO mail_events (time, cluster, event_id, action, source, direction, received_at, response)"
            " SELECT now(), 'eu1', n::text, 'queued', 'plugin', 'outbound', now(), repeat('x', 500) "
            "FROM generate_series(1, 1000) n"
        )
    one.jobs.run(Sizes(one.metrics))
    after = one.value("duckwatch_store_bytes", relation="mail_events")
    assert before is not None
    assert after is not None
    assert after - before > 500_000
    assert one.value("duckwatch_store_bytes", relation="mail_stats_5m")
    assert one.value("duckwatch_job_runs_total", task="sizes", result="succeeded") == 2
    one.jobs._resign()


def test_an_open_transaction_ages(postgres_dsn: str) -> None:
    """The age of the oldest open or prepared transaction is shown, only by the collector that runs the jobs."""
    one, name = Collector(postgres_dsn), "duckwatch_store_oldest_transaction_age_seconds"
    job = OpenTransactions(one.metrics)

    def age() -> float | None:
        one.jobs.run(job)
        return one.value(name)

    assert one.value(name) is None
    with psycopg.connect(postgres_dsn) as hung, psycopg.connect(postgres_dsn, autocommit=True) as other:
        assert age() == 0
        hung.execute("CREATE TABLE unfinished ()")
        first, second = age(), age()
        assert first
        assert second
        assert 0 < first < second
        hung.execute("PREPARE TRANSACTION 'forgotten'")
        hung.close()
        assert (age() or 0) > 0
        other.execute("ROLLBACK PREPARED 'forgotten'")
        assert age() == 0
    one.jobs._resign()
    assert one.value(name) is None
