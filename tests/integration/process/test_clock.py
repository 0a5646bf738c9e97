"""Clocks that are ahead for a while, behind, or set back stop no work, and the last state counts."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import psycopg
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from collector.__main__ import main
from collector.config.model import RetentionSettings
from collector.config.renewable import dsn_text
from collector.events.model.batch import Batch, DeadLetter, SeenHeartbeat
from collector.events.model.event import Action, Direction, Heartbeat, MailEvent, RejectReason, Source
from collector.events.model.precedence import slots_of
from collector.events.model.side_tables import AuthEvent, DnsblResult, HeldEvent
from collector.jobs import Reconcile, RollUp, Suspects
from collector.metrics import Metrics
from collector.metrics.mail import MailMetrics
from collector.store.backup.stream_position import FeedStore
from collector.store.database import receipt_clock
from collector.store.migrations import migrate
from collector.store.writing.batch_write import PostgresStore
from tests.integration.sources.following import lead
from tests.servers.collector import Collector
from tests.servers.process import wait_until
from tests.servers.skewed import Skew

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.integration.house import House

pytestmark = pytest.mark.servers

SECOND, HOUR = 1000, 3_600_000
HOURS = st.sampled_from([-20, -1, 0, 0, 1, 20])


def now_ms() -> int:
    """Return the true time in epoch ms."""
    return time.time_ns() // 1_000_000


class Clock:
    """The wall clock of a collector, `ahead` ms of the true one."""

    def __init__(self) -> None:
        self.ahead = 0

    def __call__(self) -> int:
        return now_ms() + self.ahead


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Return the clock that the store reads."""
    made = Clock()
    monkeypatch.setattr(receipt_clock, "now_ms", made)
    return made


@pytest.fixture
def store(postgres_dsn: str) -> Iterator[PostgresStore]:
    """Yield a store on a new database."""
    made = PostgresStore(postgres_dsn, postgres_dsn)
    made.prepare()
    yield made
    made.close()


def seen(number: int, received_at: int, request_id: str | None = None) -> SeenHeartbeat:
    """Return a heartbeat of one process, identified by `spool_bytes`."""
    return SeenHeartbeat(Heartbeat("eu1", "mta1", "p", "1", number, None, 0), received_at, request_id)


def stored(store: PostgresStore) -> list[int]:
    """Return the identity of the stored heartbeat."""
    with psycopg.connect(dsn_text(store._dsn)) as connection:
        return [number for (number,) in connection.execute("SELECT spool_bytes FROM plugin_reports")]


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(steps=st.lists(st.tuples(HOURS, HOURS), min_size=1, max_size=8))
def test_the_last_report_of_a_collector_counts_however_its_clock_is_set(
    store: PostgresStore, clock: Clock, steps: list[tuple[int, int]]
) -> None:
    """The last heartbeat counts, though the clock changes between two receipts, or between receipt and commit."""
    with psycopg.connect(dsn_text(store._dsn), autocommit=True) as connection:
        connection.execute("DELETE FROM plugin_reports")
    for number, (at_receipt, at_commit) in enumerate(steps):
        clock.ahead = at_commit * HOUR
        store.write(Batch(heartbeats=[seen(number, now_ms() + at_receipt * HOUR, f"{'a' * 22}{number:010x}")]))
        assert stored(store) == [number]


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(skews=st.tuples(HOURS, HOURS), turns=st.lists(st.booleans(), min_size=1, max_size=8), data=st.data())
def test_of_two_collectors_the_report_that_came_last_counts(
    store: PostgresStore, clock: Clock, skews: tuple[int, int], turns: list[bool], data: st.DataObject
) -> None:
    """Of two collectors' heartbeats the last counts, whatever their clocks, and however long a journal kept one."""
    with psycopg.connect(dsn_text(store._dsn), autocommit=True) as connection:
        connection.execute("DELETE FROM plugin_reports")
    began = now_ms() - 60 * SECOND
    waiting: list[list[int]] = [[], []]
    for number, turn in enumerate(turns):
        waiting[turn].append(number)
    while any(waiting):
        chosen = data.draw(st.sampled_from([one for one in (0, 1) if waiting[one]]))
        number = waiting[chosen].pop(0)
        clock.ahead = skews[chosen] * HOUR
        came = began + number * SECOND + clock.ahead
        store.write(Batch(heartbeats=[seen(number, came, f"{'ab'[chosen] * 22}{number:010x}")]))
    assert stored(store) == [len(turns) - 1]


def test_what_a_database_that_was_ahead_has_stamped_is_replaced(store: PostgresStore, postgres_dsn: str) -> None:
    """A heartbeat with a time from a database that was ahead is replaced, also by another or an older collector."""
    for request_id in (None, "b" * 32):
        store.write(Batch(heartbeats=[seen(1, now_ms(), "a" * 32)]))
        with psycopg.connect(postgres_dsn, autocommit=True) as connection:
            connection.execute("UPDATE plugin_reports SET received_at = now() + interval '20 hours'")
        assert store.heartbeats()[0].received_at <= now_ms() + SECOND
        store.write(Batch(heartbeats=[seen(2, now_ms(), request_id)]))
        assert stored(store) == [2]


def result(verdict: str, at: int) -> DnsblResult:
    """Return a list's result with that time."""
    return DnsblResult(
        "eu1", at, at, f"192.0.2.5:bl.example:{verdict}:{at}", "192.0.2.5", "address", "bl.example", verdict
    )


def current(house: House) -> list[tuple[str, ...]]:
    """Return the current verdict."""
    return house.connection.execute("SELECT verdict FROM dnsbl_current").fetchall()


def test_a_result_of_a_clock_that_was_ahead_does_not_stand(house: House, clock: Clock) -> None:
    """The next result replaces one with a future time, whether exporter, collector or database had the wrong clock."""
    clock.ahead = 20 * HOUR
    house.store.write(Batch(records=[result("listed", now_ms() + 20 * HOUR)]))
    clock.ahead = 0
    house.store.write(Batch(records=[result("clean", now_ms())]))
    assert current(house) == [("clean",)]
    house.connection.execute("UPDATE dnsbl_results SET received_at = received_at + interval '20 hours'")
    house.store.write(Batch(records=[result("listed", now_ms())]))
    assert current(house) == [("listed",)]
    # How far a clock is off is known within a round trip; a list's results are minutes apart.
    time.sleep(0.5)
    clock.ahead = -20 * HOUR
    house.store.write(Batch(records=[result("clean", now_ms() - 20 * HOUR)]))
    assert current(house) == [("clean",)]


def test_a_result_that_is_retried_from_the_dead_letters_is_no_news(house: House, any_dsn: str, tmp_path: Path) -> None:
    """A result retried from the dead letters does not replace newer ones."""
    at = now_ms() - HOUR
    raw = {"time": at, "target": "192.0.2.5", "list": "bl.example", "verdict": "listed"}
    letter = DeadLetter("l:0", at, "eu1", Source.DNSBL, RejectReason.TIME_AHEAD, "ahead", json.dumps(raw))
    house.store.write(Batch(letters=[letter], records=[result("clean", now_ms() - 60 * SECOND)]))
    config = tmp_path / "duckwatch.yml"
    config.write_text(yaml.safe_dump({"collector": {"database": {"dsn": any_dsn}}}), encoding="utf-8")
    assert main(["--config", str(config), "dead-letters", "retry", "l:0"]) == 0
    assert house.connection.execute("SELECT count(*) FROM dnsbl_results").fetchone() == (2,)
    assert current(house) == [("clean",)]


class HeldEvents:
    """Held events of backup sources, and the job that decides about them."""

    def __init__(self, house: House) -> None:
        self.house = house
        mail = MailMetrics(Metrics(), now=time.time)
        self._job = Reconcile({}, journal_age=lambda: None, count=mail)

    def hold(self, received_at: int) -> None:
        """Hold a bounce from ZoneMTA's own webhook."""
        event = MailEvent(
            now_ms(), "eu1", None, "q1.001:bounced", Action.BOUNCED, Source.BOUNCE, Direction.OUTBOUND,
            queue_id="q1", seq="001", recipients=1, received_at=received_at,
        )  # fmt: skip
        self.house.store.write(Batch(records=[HeldEvent.of(event, slots_of(event)[0])]))

    def rows_after(self, minutes: int) -> int:
        """Return the number of stored rows when the database's clock has advanced by that much."""
        self._job.run(self.house.connection, datetime.now(UTC) + timedelta(minutes=minutes), lambda: False)
        row = self.house.connection.execute("SELECT count(*) FROM mail_events").fetchone()
        assert row is not None
        return int(row[0])


@pytest.mark.parametrize("hours", [-20, 20])
def test_what_is_held_waits_its_grace_whatever_the_clock_said(house: House, clock: Clock, hours: int) -> None:
    """A held event waits its grace, whatever the clock was at its receipt."""
    waiting = HeldEvents(house)
    clock.ahead = hours * HOUR
    waiting.hold(now_ms() + hours * HOUR)
    assert waiting.rows_after(0) == 0
    assert waiting.rows_after(2) == 1


def test_what_was_held_while_the_database_was_ahead_waits_from_now_on(house: House) -> None:
    """An event held while the database's clock was ahead waits from now on, and an old heartbeat does not delay it."""
    waiting = HeldEvents(house)
    waiting.hold(now_ms())
    house.connection.execute("UPDATE held_events SET received_at = now() + interval '20 hours'")
    house.connection.execute(
        "INSERT INTO plugin_reports (cluster, host, process, version, spool_bytes, oldest_unsent, dropped, received_at)"
        " VALUES ('eu1', 'mta1', 'gone', '1', 1, now() - interval '1 hour', 0, now() + interval '20 hours')"
    )
    assert waiting.rows_after(0) == 0
    assert waiting.rows_after(2) == 1


def test_a_feed_is_not_followed_into_the_future(store: PostgresStore, postgres_dsn: str) -> None:
    """A feed's position is never in the future: a resume from there would skip the events until then."""
    feed = FeedStore(postgres_dsn, "eu1", "wildduck")
    feed.lead()
    feed.commit_token("{}", now_ms() + 20 * HOUR)
    assert feed.followed_until <= now_ms() + SECOND
    with psycopg.connect(postgres_dsn, autocommit=True) as connection:
        connection.execute("UPDATE change_feeds SET changed_at = now() + interval '20 hours'")
    lead(feed)
    assert feed.followed_until <= now_ms() - 23 * HOUR
    feed.close()


def test_a_message_that_a_feed_holds_came_now(house: House, any_dsn: str) -> None:
    """A message that a feed holds has the database's present time, whatever the collector's clock."""
    feed, at = FeedStore(any_dsn, "eu1", "zone-queue"), now_ms() + 20 * HOUR
    feed.lead()
    event = MailEvent(
        at, "eu1", None, "q1:queued", Action.QUEUED, Source.CHANGE_STREAM, Direction.OUTBOUND,
        queue_id="q1", recipients=1, received_at=at,
    )  # fmt: skip
    feed.commit(Batch(), "{}", messages=[HeldEvent.of(event, slots_of(event)[0])])
    feed.close()
    late = "SELECT count(*) FROM held_events WHERE received_at > clock_timestamp()"
    assert house.connection.execute(late).fetchone() == (0,)


def test_a_horizon_in_the_future_stops_no_roll_up(house: House, our_jobs: None) -> None:
    """Events are rolled up, though retention noted a horizon in the future while both clocks were ahead."""
    house.connection.execute("INSERT INTO retention_horizons VALUES ('mail_events', now() + interval '10 days')")
    RollUp(RetentionSettings()).run(house.connection, datetime.now(UTC), lambda: False)
    event = MailEvent(
        now_ms() + HOUR,
        "eu1",
        None,
        "q1:queued",
        Action.QUEUED,
        Source.PLUGIN,
        Direction.OUTBOUND,
        received_at=now_ms(),
    )
    house.store.write(Batch([event]))
    RollUp(RetentionSettings()).run(house.connection, datetime.now(UTC), lambda: False)
    assert house.connection.execute("SELECT events FROM mail_stats_5m").fetchall() == [(1,)]


def test_failed_logins_of_the_future_make_no_suspect(house: House) -> None:
    """Failed logins with future times make no suspect."""
    metrics, numbers = Metrics(), count()
    for hours, expected in ((20, 0), (0, 1)):
        at = now_ms() + hours * HOUR - SECOND
        rows = [
            AuthEvent("eu1", at, at, f"wd:{next(numbers)}", Source.WILDDUCK, "imap", "fail", "u1") for _ in range(10)
        ]
        house.store.write(Batch(records=rows))
        Suspects(metrics).run(house.connection, datetime.now(UTC), lambda: False)
        value = metrics.registry.get_sample_value("duckwatch_auth_suspects", {"kind": "account"})
        assert value == expected


def test_a_horizon_stays_while_the_clocks_are_behind(house: House, our_jobs: None) -> None:
    """The horizon is not set back while a clock is behind: buckets without their deleted events
    would be built again.
    """
    at = now_ms() + 20 * HOUR
    event = MailEvent(at, "eu1", None, "q1:queued", Action.QUEUED, Source.PLUGIN, Direction.OUTBOUND, received_at=at)
    house.store.write(Batch([event]))
    house.connection.execute("INSERT INTO retention_horizons VALUES ('mail_events', now() + interval '10 hours')")
    RollUp(RetentionSettings()).run(house.connection, datetime.now(UTC) - timedelta(hours=20), lambda: False)
    horizon = "SELECT count(*) FROM retention_horizons WHERE gone_before > now() + interval '9 hours'"
    assert house.connection.execute(horizon).fetchone() == (1,)


def test_the_migration_mends_what_is_stamped_in_the_future(store: PostgresStore, postgres_dsn: str) -> None:
    """The migration corrects future times, so that a stuck installation works at once."""
    store.write(Batch(heartbeats=[seen(1, now_ms())]))
    with psycopg.connect(postgres_dsn) as connection:
        connection.execute("UPDATE plugin_reports SET received_at = now() + interval '20 hours'")
        connection.execute("DELETE FROM schema_migrations WHERE version = 18")
        connection.execute("ALTER TABLE plugin_reports DROP COLUMN request_id")
        connection.execute("ALTER INDEX dnsbl_results_current RENAME TO dnsbl_results_newest")
        connection.commit()
        assert [one.version for one in migrate(connection)] == [18]
        row = connection.execute("SELECT received_at <= now() FROM plugin_reports").fetchone()
    assert row == (True,)


class ClockedCollector:
    """A collector process and its clock."""

    def __init__(self, folder: Path, logs: Path, dsn: str) -> None:
        self._dsn = dsn
        self.skew = Skew(folder / "ahead")
        self.collector = Collector(folder / "collector", logs, dsn)
        self.collector.program = self.skew.program()
        self.collector.environment |= self.skew.environment()

    def report(self, number: int) -> None:
        """Send a heartbeat and an event with times of the same clock. Return when both are stored."""
        plugin = {"version": "1", "process": "p", "spool_bytes": number, "oldest_unsent": None, "dropped": 0}
        body = json.dumps({"cluster": "eu1", "host": "mta1", "plugin": plugin, "events": []}).encode()
        headers = {"Authorization": f"Bearer {self.collector.token}"}
        assert self.collector.ask("/api/events/ingest", body, headers).status == 202
        wait_until(
            lambda: self.rows("SELECT spool_bytes FROM plugin_reports") == [(number,)], f"report {number} is stored"
        )

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        """Return the rows of a query."""
        with psycopg.connect(self._dsn) as connection:
            try:
                return connection.execute(statement.encode()).fetchall()
            except psycopg.errors.UndefinedTable:
                return []  # the collector has just been started

    def bounce(self, at: int) -> None:
        """Post a bounce as ZoneMTA's own webhook does."""
        body = urlencode({"id": "q1", "seq": "001", "to": "a@b.example", "time": at, "response": "550 no"}).encode()
        headers = {
            "Authorization": f"Bearer {self.collector.token}",
            "Content-Type": "application/x-www-form-urlencoded",
        }
        assert self.collector.ask("/api/events/bounce", body, headers).status == 202

    def gauge(self, name: str) -> float:
        """Return the only sample of a metric."""
        (value,) = self.collector.metrics()[name].values()
        return value


@pytest.fixture
def one(tmp_path: Path, server_logs: Path, postgres_dsn: str) -> Iterator[ClockedCollector]:
    """Yield a running collector with the right clock."""
    made = ClockedCollector(tmp_path, server_logs, postgres_dsn)
    made.collector.start()
    yield made
    made.collector.stop()


@pytest.mark.parametrize("hours", [20, -20])
def test_a_clock_that_is_wrong_for_a_moment_freezes_nothing(one: ClockedCollector, hours: int) -> None:
    """After a wrong clock, heartbeats, gauges and held events are right, before and after a restart."""
    one.report(1)
    one.skew.ahead(hours * 3600)
    one.report(2)
    event = {"time": now_ms() + hours * HOUR, "entry": {"action": "QUEUED", "id": "1a20bd7ba7a000cd07"}}
    assert one.collector.send([event]) == 202
    one.bounce(now_ms() + hours * HOUR)
    wait_until(lambda: one.rows("SELECT 1 FROM mail_events, held_events"), "the event and the bounce are stored")
    one.skew.ahead(0)
    one.report(3)
    assert abs(one.gauge("duckwatch_plugin_last_seen_timestamp_seconds") - time.time()) < 60
    assert one.gauge("duckwatch_last_event_timestamp_seconds") <= time.time()
    late = "SELECT 1 FROM {} WHERE received_at NOT BETWEEN now() - interval '10 minutes' AND now()"
    assert one.rows(late.format("held_events")) == one.rows(late.format("plugin_reports")) == []
    one.skew.ahead(hours * 3600)
    one.collector.stop()
    one.collector.start()
    one.report(4)
    one.collector.stop()
    one.skew.ahead(0)
    one.collector.start()
    last_seen = "duckwatch_plugin_last_seen_timestamp_seconds"
    wait_until(lambda: last_seen in one.collector.metrics(), "the gauges are read back")
    assert abs(one.gauge(last_seen) - time.time()) < 60
    one.report(5)
