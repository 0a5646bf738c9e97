"""Lost replies to COMMIT outside the writer: committed changes are counted and reported once, others never."""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
import yaml
from psycopg import conninfo

from collector.__main__ import main
from collector.errors import StoreUnavailableError
from collector.events.model.batch import Batch, DeadLetter
from collector.events.model.event import Action, RejectReason, Source
from collector.jobs import Jobs
from collector.jobs.complaints import LOOKED_FOR
from collector.metrics import Metrics
from collector.metrics.mail import MailMetrics
from collector.pipeline.letters import letter_of_row
from collector.store.backup.stream_position import FeedStore
from collector.store.people.spelling import Person
from collector.store.people.subjects import People
from tests.integration.sources.following import lead
from tests.integration.sources.test_wildduck_stream import WildDuck, mongo
from tests.integration.writing.test_complaints_job import about, other_message
from tests.integration.writing.test_inbound import complain, complaints, store
from tests.integration.writing.test_reconciliation import MS, NOW, AllSources, told
from tests.oracle.made_up import NOW as REPORTED
from tests.servers.proxy import Proxy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime
    from pathlib import Path

    from collector.events.model.batch import WriteResult
    from tests.integration.house import House
    from tests.servers.secantus import Secantus

__all__ = ["mongo"]

pytestmark = pytest.mark.servers

TIMES = 12

FEW = 3
"""Few failures, because a feed waits longer after each."""


@pytest.fixture
def proxy(any_dsn: str) -> Iterator[Proxy]:
    """Yield a proxy before the database."""
    with Proxy(int(str(conninfo.conninfo_to_dict(any_dsn)["port"]))) as made:
        yield made


@pytest.fixture
def proxied(any_dsn: str, proxy: Proxy) -> str:
    """Return the database's DSN through the proxy."""
    return conninfo.make_conninfo(any_dsn, port=proxy.port)


class ReconcileAtTheirTime:
    """Reconciliation at the time of the test's events. `Jobs` would run it by the server's clock."""

    name, every_seconds = "reconcile", 3

    def __init__(self, roads: AllSources) -> None:
        self._job = roads.job

    def settle(self, connection: psycopg.Connection) -> None:
        """Call the job's method."""
        self._job.settle(connection)

    def run(self, connection: psycopg.Connection, now: datetime, is_over: Callable[[], bool]) -> None:
        """Run the job at the test's time."""
        del now
        self._job.run(connection, NOW, is_over)


def test_reconciliation_counts_what_it_committed(house: House, proxied: str, proxy: Proxy) -> None:
    """Counters equal rows less corrections, also if the plugin takes rows over before their commit is confirmed."""
    roads = AllSources(house)
    job = ReconcileAtTheirTime(roads)
    jobs = Jobs(proxied, [job], metrics=roads.metrics, now=NOW.timestamp)
    for number in range(TIMES):
        one, other = f"a{number}", f"b{number}"
        roads.tell(*(told(Source.CHANGE_STREAM, Action.RELEASED, queue_id=name) for name in (one, other)))
        proxy.swallow_next_commit_reply(after=b"pg_current_xact_id()::text")
        jobs.run(job)
        assert proxy.swallowed == number + 1
        roads.tell(told(Source.PLUGIN, Action.DELIVERED, queue_id=one))
        jobs.run(job)
        roads.tell(told(Source.PLUGIN, Action.DELIVERED, queue_id=other))
    jobs._resign()
    assert roads.sum("mail_events", "action") == {"released": 2 * TIMES, "delivered": 2 * TIMES}
    assert roads.sum("mail_corrections", "from") == {"released": 2 * TIMES}
    roads.agree()


def test_a_count_is_made_good_while_another_collector_runs_the_jobs(house: House, proxied: str, proxy: Proxy) -> None:
    """A process counts what it committed, even if another collector holds the jobs' lock by then."""
    roads = AllSources(house)
    job = ReconcileAtTheirTime(roads)
    jobs = Jobs(proxied, [job], metrics=roads.metrics, now=NOW.timestamp)
    roads.tell(told(Source.CHANGE_STREAM, Action.RELEASED))
    proxy.swallow_next_commit_reply(after=b"pg_current_xact_id()::text")
    jobs.run(job)
    others = ReconcileAtTheirTime(AllSources(house))
    other = Jobs(house.store._session_dsn, [others], metrics=Metrics(), now=NOW.timestamp)
    other.run(others)
    jobs.run(job)
    assert roads.sum("mail_events", "action") == {"released": 1}
    jobs._resign()
    other._resign()


def complaints_counted(metrics: Metrics) -> dict[str, float]:
    """Return the counted complaints by provider, without zeros."""
    return {
        sample.labels["provider"]: sample.value
        for metric in metrics.registry.collect()
        for sample in metric.samples
        if sample.name == "duckwatch_mail_complaints_total" and sample.value
    }


class ComplaintsAtTheirTime:
    """The job of complaints at the time of the test's events."""

    name, every_seconds = "complaints", 15

    def __init__(self, metrics: Metrics, now: datetime) -> None:
        self._job, self._now = complaints(metrics), now

    def settle(self, connection: psycopg.Connection) -> None:
        """Call the job's method."""
        self._job.settle(connection)

    def run(self, connection: psycopg.Connection, now: datetime, is_over: Callable[[], bool]) -> None:
        """Run the job at the test's time."""
        del now
        self._job.run(connection, self._now, is_over)


@pytest.mark.parametrize("is_found", [True, False], ids=["found", "given up"])
def test_a_complaint_is_counted_once(house: House, proxied: str, proxy: Proxy, is_found: bool) -> None:
    """A complaint is counted once, though the reply to the COMMIT that ended its search was lost, each time."""
    metrics = Metrics()
    job = ComplaintsAtTheirTime(metrics, REPORTED if is_found else REPORTED + LOOKED_FOR)
    jobs = Jobs(proxied, [job], metrics=metrics, now=NOW.timestamp)
    for number in range(TIMES):
        if is_found:
            store(house, other_message(number))
        complain(house, about(number))
        proxy.swallow_next_commit_reply(after=b"pg_current_xact_id()::text")
        for _ in range(5):  # on a loaded machine a run may fail before its COMMIT, and leaves the search as it was
            jobs.run(job)
            if proxy.swallowed > number:
                break
        assert proxy.swallowed == number + 1
        jobs.run(job)
        jobs.run(job)
        assert complaints_counted(metrics) == {"other" if is_found else "none": number + 1}
    jobs._resign()
    assert house.connection.execute("SELECT count(*) FROM pending_complaints").fetchone() == (0,)


def test_a_search_that_never_ended_on_disk_is_not_counted(house: House, proxied: str, proxy: Proxy) -> None:
    """If a crash loses the transaction that ended a search, the search ends again, and is counted once."""
    metrics = Metrics()
    job = ComplaintsAtTheirTime(metrics, REPORTED + LOOKED_FOR)
    jobs = Jobs(proxied, [job], metrics=metrics, now=NOW.timestamp)
    complain(house, about(0))
    kept = house.connection.execute("SELECT * FROM pending_complaints").fetchall()
    proxy.swallow_next_commit_reply(after=b"pg_current_xact_id()::text")
    jobs.run(job)
    house.connection.execute("INSERT INTO pending_complaints VALUES (%s, %s, %s, %s, %s)", kept[0])
    jobs.run(job)
    jobs.run(job)
    jobs._resign()
    assert complaints_counted(metrics) == {"none": 1}


def test_a_slice_that_never_reached_the_disk_is_not_counted(house: House, proxied: str, proxy: Proxy) -> None:
    """A slice that was aborted, or whose transaction number another got after a crash, is decided again."""
    roads = AllSources(house)
    job = ReconcileAtTheirTime(roads)
    jobs = Jobs(proxied, [job], metrics=roads.metrics, now=NOW.timestamp)
    roads.tell(told(Source.CHANGE_STREAM, Action.RELEASED))
    proxy.swallow_next_commit_reply(after=b"pg_current_xact_id()::text")
    jobs.run(job)
    # Simulate a crash that lost the slice, while another transaction of the same number is committed.
    house.connection.execute(
        "UPDATE held_events SET stored_time = NULL, event = (SELECT to_jsonb(m) FROM mail_events m)"
    )
    # Without triggers: they would keep rows deleted by hand in the roll-ups (migration 0014), but a crash runs none.
    house.connection.execute("SET session_replication_role = replica")
    house.connection.execute("DELETE FROM mail_events")
    house.connection.execute("RESET session_replication_role")
    jobs.run(job)
    jobs._resign()
    assert roads.sum("mail_events", "action") == {"released": 1}
    roads.agree()


def test_a_feed_counts_what_it_committed(house: House, proxied: str, proxy: Proxy) -> None:
    """A feed confirms a lost commit before it takes the lead again, and reports it once."""
    count, feed = MailMetrics(metrics := Metrics(), now=NOW.timestamp), FeedStore(proxied, "eu1", "zonemta")
    for number in range(TIMES):
        lead(feed)
        batch = Batch([told(Source.PLUGIN, Action.DELIVERED, queue_id=f"f{number}", time=MS)] if number % 3 else [])
        proxy.swallow_next_commit_reply(after=b"change_feeds")
        with pytest.raises(StoreUnavailableError):
            feed.commit(batch, json.dumps({"n": number}))
        written = feed.settle()
        assert written is not None
        assert feed.settle() is None
        count(written)
        assert lead(feed) == json.dumps({"n": number})
    feed.close()
    total = sum(
        s.value for m in metrics.registry.collect() for s in m.samples if s.name == "duckwatch_mail_events_total"
    )
    assert house.connection.execute("SELECT count(*) FROM mail_events").fetchone() == (total,)
    assert total == TIMES - TIMES // 3


def test_a_change_stream_loses_no_count_and_no_listener_ends_it(
    mongo: Secantus, house: House, proxied: str, proxy: Proxy
) -> None:
    """Lost replies and a listener that raises at each commit lose no count of a change stream."""

    def fail(written: WriteResult) -> None:
        raise ZeroDivisionError(written)

    wildduck = WildDuck(mongo, house, proxied)
    wildduck._listeners.insert(0, fail)
    try:
        wildduck.follow()
        delivered = 0
        # A row is visible before its reply is swallowed, so the last round may be one more than needed.
        while proxy.swallowed < FEW:
            assert delivered < TIMES
            proxy.swallow_next_commit_reply(after=b"COPY incoming")
            wildduck.deliver(delivered)
            delivered += 1
            wildduck.until(lambda: len(wildduck.stored()) == delivered)  # noqa: B023  # asked now
        wildduck.until(lambda: wildduck.follower is not None and not wildduck.follower.trouble)
        wildduck.until(lambda: _total(wildduck.metrics) == delivered)
    finally:
        wildduck.close()
    assert len(wildduck.stored()) == delivered


def _total(metrics: Metrics) -> float:
    return sum(
        s.value for m in metrics.registry.collect() for s in m.samples if s.name == "duckwatch_mail_events_total"
    )


@pytest.fixture
def run(proxied: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    """Run the command line through the proxy. Return its exit code and output."""
    config = tmp_path / "duckwatch.yml"
    config.write_text(yaml.safe_dump({"collector": {"database": {"dsn": proxied}}}), encoding="utf-8")

    def command(*arguments: str) -> tuple[int, str]:
        code = main(["--config", str(config), *arguments])
        return code, capsys.readouterr().out

    return command


def letter(number: int, reason: RejectReason = RejectReason.BAD_ROW) -> DeadLetter:
    """Return a dead letter of a row that can be stored now."""
    row = told(Source.PLUGIN, Action.DELIVERED, queue_id=f"q{number}", time=MS)
    made = letter_of_row(row, "23514")
    return DeadLetter(made.letter_id, MS, "eu1", made.source, reason, made.error, made.raw)


def test_commands_report_what_they_committed(
    any_dsn: str, run: Callable[..., tuple[int, str]], proxy: Proxy, house: House
) -> None:
    """`dead-letters drop` and `retry` report right numbers if the reply to any COMMIT is lost."""
    reasons = itertools.cycle([RejectReason.NO_TIME])
    house.store.write(Batch(letters=[letter(n, next(reasons)) for n in range(3)]))
    proxy.swallow_next_commit_reply(after=b"DELETE FROM dead_letters")
    assert run("dead-letters", "drop", "--reason", "no_time") == (0, "dropped 3\n")
    house.store.write(Batch(letters=[letter(n) for n in range(3)]))
    proxy.swallow_next_commit_reply(after=b"INSERT INTO touched_buckets")
    assert run("dead-letters", "retry", "--reason", "bad_row") == (0, "stored 3, left 0\n")
    assert proxy.swallowed == 2
    with psycopg.connect(any_dsn) as connection:
        found: list[tuple[Any, ...]] = connection.execute(
            "SELECT (SELECT count(*) FROM mail_events), (SELECT count(*) FROM dead_letters)"
        ).fetchall()
    assert found == [(3, 0)]


def test_migrate_reports_what_it_applied(run: Callable[..., tuple[int, str]], proxy: Proxy) -> None:
    """`migrate` reports all applied migrations, though the reply to its COMMIT was lost."""
    proxy.swallow_next_commit_reply(after=b"INSERT INTO schema_migrations")
    code, printed = run("migrate")
    assert (code, proxy.swallowed) == (0, 1)
    assert printed.startswith("applied 0001_mail_events\n")


def test_forgetting_a_person_reports_each_row_once(house: House, proxied: str, proxy: Proxy) -> None:
    """`subject forget` reports each row once, though the reply to one day's COMMIT was lost."""
    days = [
        told(Source.PLUGIN, Action.DELIVERED, queue_id=f"d{n}", time=MS - n * 86_400_000, recipient="jane@x.example")
        for n in range(5)
    ]
    house.store.write(Batch(days))
    proxy.swallow_next_commit_reply(after=b"UPDATE")
    assert People(proxied).forget(Person.of("jane@x.example", None))["mail_events"] == 5
    assert proxy.swallowed == 1
    assert People(proxied).forget(Person.of("jane@x.example", None))["mail_events"] == 0
