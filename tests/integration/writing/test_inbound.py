"""Inbound mail, logins, webhooks and complaints in a running collector and its jobs, on every tier."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from collector.events.border.decoding import Border, take
from collector.events.border.request_body import Body
from collector.events.model.batch import Batch
from collector.events.model.event import Source
from collector.events.model.side_tables import AuditEvent, AuthEvent
from collector.events.sources import arf
from collector.events.sources.authlog import Logins
from collector.jobs import Complaints, Suspects
from collector.jobs.suspects import ACCOUNT_FAILURES, SOURCE_FAILURES, WINDOW
from collector.metrics import Metrics
from collector.metrics.logins import LoginMetrics
from collector.metrics.mail import MailMetrics
from collector.pipeline.batch import assemble
from collector.store.backup import logins as stored_logins
from collector.store.database.sql import query
from collector.store.migrations import migrate
from tests.oracle.made_up import NOW, NOW_MS
from tests.oracle.recording import FIXTURES, read_lines
from tests.oracle.reports import COMCAST, REDACTED, report
from tests.oracle.rollups import assert_rolled_up
from tests.servers.collector import Collector
from tests.servers.process import wait_until
from tests.unit.events.entries import ACCEPTED, QUEUED, changed
from tests.unit.events.test_authlog import changes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from tests.integration.house import House

pytestmark = pytest.mark.servers

MINUTE = 60_000


def rows(house: House, statement: str) -> list[tuple[Any, ...]]:
    return house.connection.execute(statement.encode()).fetchall()


def store(house: House, items: list[Any], source: Source = Source.PLUGIN) -> Batch:
    """Write items of the cluster eu1, as a request brings them."""
    request = take(Body(items, {}, is_clean=False), received_at=NOW_MS, source=source, border=Border("eu1"))
    batch, _ = assemble([request], {})
    assert batch.letters == []
    house.store.write(batch)
    return batch


def mail(*entries: Mapping[str, Any]) -> list[Any]:
    return [{"time": NOW_MS - MINUTE + n, "entry": dict(entry)} for n, entry in enumerate(entries)]


@pytest.mark.parametrize("kind", [AuditEvent, AuthEvent])
def test_the_tables_have_the_columns_of_the_records(any_dsn: str, kind: type[AuditEvent | AuthEvent]) -> None:
    """Tables and records have the same columns."""
    with psycopg.connect(any_dsn) as connection:
        migrate(connection)
        found = connection.execute(
            "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0", [kind.TABLE]
        )
        assert {name for (name,) in found} == set(kind.__struct_fields__)


def complain(house: House, body: bytes, cluster: str = "eu1") -> None:
    """Store a complaint."""
    request = arf.read_complaint(body, received_at=NOW_MS, border=Border(cluster))
    house.store.write(assemble([request], {})[0])


COMPLAINT = (
    "SELECT queue_id, seq, recipient, zone, local_ip, auth_user, provider FROM mail_events WHERE action = 'complained'"
)


def complaints(metrics: Metrics | None = None, clock: Callable[[], float] = time.monotonic) -> Complaints:
    """Return the job, which counts in these metrics."""
    return Complaints(MailMetrics(metrics or Metrics(), now=NOW.timestamp), clock)


def match(house: House) -> None:
    """Run the job twice, and assert that the second run has no work."""
    for _ in range(2):
        complaints().run(house.connection, NOW, lambda: False)


GOOGLE = {"mx": "aspmx.l.google.com"}
MESSAGE = (QUEUED, changed(ACCEPTED, **GOOGLE), changed(ACCEPTED, seq="002", to="b@corp.example", zone="other"))


def test_a_complaint_finds_its_message_and_recipient(house: House) -> None:
    """A complaint finds message and recipient by Message-ID and complainer, takes the delivery's fields, and is rolled
    up.
    """
    store(house, mail(*MESSAGE))
    complain(house, report())
    house.roll_up()
    match(house)
    queue_id, seq, recipient, zone, local_ip, user, provider = rows(house, COMPLAINT)[0]
    assert (queue_id, seq, recipient, zone) == (ACCEPTED["id"], "001", "ok@corp.example", "bulk")
    assert (local_ip, user, provider) == ("192.0.2.20", QUEUED["user"], "google")
    house.roll_up()
    counted = "SELECT zone, provider, sum(events)::int FROM mail_stats_5m WHERE action = 'complained' GROUP BY 1, 2"
    assert rows(house, counted) == [("bulk", "google", 1)]


def test_a_complaint_without_a_recipient_finds_the_message(house: House) -> None:
    """A complaint without recipient finds the message, and its recipient only if it has just one."""
    store(house, mail(*MESSAGE))
    complain(house, COMCAST)
    match(house)
    assert rows(house, COMPLAINT) == [(ACCEPTED["id"], None, None, None, "192.0.2.20", QUEUED["user"], None)]


def test_a_redacted_complaint_finds_its_message_by_x_fbl(house: House) -> None:
    """A redacted complaint finds its message by an X-FBL of that message alone, and its only recipient."""
    store(house, mail(changed(ACCEPTED, fbl="list:7", **GOOGLE)))
    complain(house, REDACTED)
    match(house)
    assert rows(house, COMPLAINT)[0][:4] == (ACCEPTED["id"], "001", ACCEPTED["to"], "bulk")


def test_nothing_is_guessed(house: House) -> None:
    """An X-FBL of a campaign, a repeated Message-ID or another cluster's message is no match."""
    other = changed(ACCEPTED, id="1a20bd7ba7a000ffff", fbl="list:7")
    store(house, mail(changed(ACCEPTED, fbl="list:7"), other))
    complain(house, REDACTED)
    complain(house, report())
    complain(house, report(original="Message-ID: <unheard@of.example>\n\n"))
    complain(house, report(original="\n\n"))
    complain(house, REDACTED, "us1")
    match(house)
    assert {row[0] for row in rows(house, COMPLAINT)} == {None}
    assert len(rows(house, COMPLAINT)) == 5


def test_a_complaint_before_its_message_is_matched_later(house: House) -> None:
    """A complaint that comes before its message is matched later, and a repeated one is no second row."""
    complain(house, report())
    match(house)
    store(house, mail(*MESSAGE))
    complain(house, report())
    match(house)
    assert [row[:2] for row in rows(house, COMPLAINT)] == [(ACCEPTED["id"], "001")]
    complain(house, report())
    assert len(rows(house, COMPLAINT)) == 1


def test_logins_are_counted_once_wherever_the_feed_begins(house: House) -> None:
    """Logins are counted once, wherever the feed begins and if changes are repeated; the counter equals the rows."""
    metrics = Metrics()
    count = LoginMetrics(metrics)
    recorded = changes()
    for start, end in ((0, 5), (3, 12), (5, 99), (0, 99)):
        asked = stored_logins.askable({str(change["documentKey"]["_id"]) for change in recorded[start:end]})
        known = stored_logins.known(house.connection.execute(query("known_logins"), (asked, "eu1")).fetchall())
        logins = Logins(known)
        for change in recorded[start:end]:
            logins.apply(change)
        read = Body(logins.items, {}, is_clean=False)
        at = logins.items[0]["time"] if logins.items else NOW_MS
        request = take(read, received_at=at, source=Source.CHANGE_STREAM, border=Border("eu1"))
        count(house.store.write(assemble([request], {})[0]))
    found = rows(house, "SELECT protocol, result, sum(count)::int FROM auth_events GROUP BY 1, 2 ORDER BY 1, 2")
    assert found == [
        ("api", "failed", 1), ("api", "success", 1), ("imap", "failed", 5), ("imap", "success", 3),
        ("imap", "suspended", 1),
        ("pop3", "failed", 1), ("pop3", "success", 1),
    ]  # fmt: skip
    for protocol, result, events in found:
        labels = {"mail_cluster": "eu1", "protocol": protocol, "result": result}
        assert metrics.registry.get_sample_value("duckwatch_auth_events_total", labels) == events


def login(n: int, **values: Any) -> AuthEvent:
    """Return a failed login of the last minute."""
    given: dict[str, Any] = {"protocol": "imap", "result": "failed", "user_id": "u1", "source_ip": "192.0.2.1"} | values
    at = given.pop("time", NOW_MS - MINUTE)
    return AuthEvent("eu1", NOW_MS, at, f"wd:auth:d{n}:1", Source.CHANGE_STREAM, **given)


@pytest.mark.parametrize("is_over", [False, True], ids=["just below", "just above"])
def test_a_burst_of_failures_makes_suspects(house: House, is_over: bool) -> None:
    """Many failures of an account or address within the window make a suspect; successes and server errors do not."""
    old = NOW_MS - int(WINDOW.total_seconds() * 1000) - 1
    one_account = [login(1, count=ACCOUNT_FAILURES - 1, source_ip=None)]
    one_source = [login(100 + n, user_id=None, username=f"name{n}") for n in range(SOURCE_FAILURES - 1)]
    innocent = [
        login(2, time=old, count=99),
        login(3, result="success", count=99, source_ip=None),
        login(4, result="error", count=99, source_ip=None),
        login(5, user_id=None, username=None, source_ip=None, count=99),
    ]
    more = [login(6, source_ip=None), login(7, user_id=None, username="v", result="unknown_user")] if is_over else []
    house.store.write(Batch(records=one_account + one_source + innocent + more))
    metrics = Metrics()
    Suspects(metrics).run(house.connection, NOW, lambda: False)
    found = {
        k: metrics.registry.get_sample_value("duckwatch_auth_suspects", {"kind": k}) for k in ("account", "source")
    }
    assert found == {"account": float(is_over), "source": float(is_over)}


@pytest.fixture
def collector(postgres_dsn: str, tmp_path: Path, server_logs: Path) -> Iterator[Collector]:
    made = Collector(tmp_path, server_logs, postgres_dsn)
    made.start()
    wait_until(lambda: made.trouble() == {}, "it writes")
    yield made
    assert_rolled_up(postgres_dsn)
    assert made.stop() == 0


def settled(collector: Collector) -> None:
    wait_until(lambda: not collector.total("duckwatch_journal_requests"), "all is written", seconds=120)


def test_recorded_webhooks_are_kept_once(collector: Collector, postgres_dsn: str) -> None:
    """Recorded webhooks, posted twice with a token in the URL, are stored once, and no answer is 410."""
    bodies = [line["body"] for line in read_lines(FIXTURES / "wildduck-webhooks.jsonl")]
    shift = int(time.time() * 1000) - bodies[0]["time"]
    authorization = {"Authorization": f"Bearer {collector.token}", "Content-Type": "application/json"}
    for body in [*bodies, *bodies]:
        text = json.dumps(body | {"time": body["time"] + shift}).encode()
        assert collector.ask("/api/events/wildduck", text, authorization).status == 202
    assert collector.ask("/api/events/wildduck", b"?", authorization).status == 400
    assert collector.ask("/api/events/wildduck", b'{"ev":""}', authorization).status == 202
    assert collector.ask("/api/events/wildduck", b"{}").status == 401
    settled(collector)
    with psycopg.connect(postgres_dsn) as connection:
        found = connection.execute("SELECT ev, count(*)::int FROM audit_events GROUP BY 1").fetchall()
        happened = {(body["ev"], body["time"], body.get("user")) for body in bodies}
        assert sum(count for _, count in found) == len(happened)
        assert {ev for ev, _ in found} == {body["ev"] for body in bodies}
        marks = connection.execute("SELECT action, direction, source FROM mail_events ORDER BY 1").fetchall()
        assert marks == [("marked_ham", "inbound", "wildduck"), *[("marked_spam", "inbound", "wildduck")] * 2]
        assert connection.execute("SELECT count(*) FROM dead_letters").fetchone() == (1,)
    assert collector.total("duckwatch_mail_events_total") == 3


def test_a_complaint_is_taken_and_matched(collector: Collector, postgres_dsn: str) -> None:
    """A complaint posted twice is counted once, and the running job finds its message."""
    now = int(time.time() * 1000)
    assert collector.send([{"time": now + n, "entry": entry} for n, entry in enumerate(MESSAGE)]) == 202
    stamp = time.strftime("%a, %d %b %Y %H:%M:%S +0000", time.gmtime())
    authorization = {"Authorization": f"Bearer {collector.token}", "Content-Type": "message/rfc822"}
    for _ in range(2):
        assert collector.ask("/api/events/arf", report(date=stamp), authorization).status == 202
    assert collector.ask("/api/events/arf", b"no report", authorization).status == 400
    with psycopg.connect(postgres_dsn, autocommit=True) as connection:
        wait_until(
            lambda: (
                connection.execute("SELECT seq FROM mail_events WHERE action = 'complained'").fetchall() == [("001",)]
            ),
            "it is matched",
            seconds=120,
        )
    found = collector.metrics()["duckwatch_mail_events_total"]
    assert sum(value for labels, value in found.items() if dict(labels)["action"] == "complained") == 1
