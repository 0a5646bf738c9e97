"""Tests of a real WildDuck and a real ZoneMTA with every source on.

They cover mail sent through WildDuck's API, inbound mail, logins, and mail that is marked as spam.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psycopg
import pymongo
import pytest

from tests.acceptance.ledger import draw_up, wait_for_every_entry
from tests.acceptance.mail import Letter, Submitter
from tests.acceptance.mailboxes import ALICE, BOB, deliver, log_in, mark_as_spam, users_of
from tests.acceptance.world import CLUSTER
from tests.oracle.comparison import read_rows
from tests.oracle.wire import with_attempts
from tests.servers.process import wait_until
from tests.servers.wildduck import DATABASE

if TYPE_CHECKING:
    from tests.acceptance.world import World

pytestmark = [pytest.mark.servers, pytest.mark.timeout(420)]

SMALL_WORLD = True
BACKED_UP = True
WITH_WILDDUCK = True
QUIET = 150  # s
BY_API = ("ok.api@corp.example", "unknown.api@gmail.example")
BY_SMTP = ("ok.smtp@corp.example", "unknown.smtp@gmail.example")


@dataclass(frozen=True, slots=True)
class WildDuckRun:
    """The servers and the rows after all actions of the fixture `told`."""

    world: World
    rows: list[dict[str, Any]]
    queue_id: str
    """The queue id of the message that was sent through WildDuck's API."""

    def table(self, statement: str) -> list[tuple[Any, ...]]:
        """Return the rows that a query gives."""
        with psycopg.connect(self.world.dsn) as connection:
            return connection.execute(statement.encode()).fetchall()

    def of(self, *actions: str) -> list[dict[str, Any]]:
        """Return the events with one of these actions."""
        return [row for row in self.rows if row["action"] in actions]

    def counted(self, name: str, *shown: str) -> Counter[tuple[str, ...]]:
        """Return a counter of the collector by these labels, without zeros."""
        found: Counter[tuple[str, ...]] = Counter()
        for labels, value in self.world.collector.metrics().get(name, {}).items():
            found[tuple(dict(labels)[label] for label in shown)] += int(value)
        return +found


def send(world: World, user: str) -> str:
    """Send a message by WildDuck's API and one by SMTP. Return the queue id of the first."""
    to = [{"address": recipient} for recipient in BY_API]
    said = world.wildduck.api("POST", f"/users/{user}/submit", {"to": to, "subject": "hello", "text": "hello"})
    submitter = Submitter(world.zonemta)
    submitter.send(Letter("ops@app.example", BY_SMTP, "hello"))
    submitter.close()
    return str(said["message"]["queueId"])


def settle(world: World, told: WildDuckRun) -> None:
    """Wait until ZoneMTA's queue is empty and all events of mail and logins are stored."""
    wait_until(lambda: world.zonemta.queued() == 0, "ZoneMTA's queue is empty", QUIET, every=0.5)
    wait_for_every_entry(world, QUIET)
    followed, waiting = "SELECT FROM queue_entries", "SELECT FROM held_events WHERE stored_time IS NULL"
    wait_until(lambda: not told.table(followed), "the stream has told of every end", QUIET, every=0.5)
    wait_until(lambda: not told.table(waiting), "nothing is held that waits", QUIET, every=0.5)
    stored = "SELECT count(*)::int FROM mail_events WHERE action IN ('stored', 'marked_spam')"
    wait_until(lambda: told.table(stored) == [(4,)], lambda: f"inbound mail: {told.table(stored)}", QUIET, every=0.5)
    logins = "SELECT sum(count)::int FROM auth_events"
    wait_until(lambda: told.table(logins) == [(6,)], lambda: f"logins: {told.table(logins)}", QUIET, every=0.5)


@pytest.fixture(scope="module")
def told(world: World) -> WildDuckRun:
    """Create the users, then deliver, log in, mark as spam and send. Return the result."""
    before = WildDuckRun(world, [], "")
    followed = "SELECT FROM change_feeds WHERE token IS NOT NULL"
    wait_until(lambda: len(before.table(followed)) == 2, "both databases are followed", 60)
    alice, _ = users_of(world.wildduck)
    deliver(world.wildduck)
    log_in(world.wildduck)
    mark_as_spam(world.wildduck, alice)
    queue_id = send(world, alice)
    settle(world, before)
    return WildDuckRun(world, read_rows(world.dsn), queue_id)


def test_of_mail_out_only_what_was_never_sent_comes_by_the_change_stream(told: WildDuckRun) -> None:
    """Of outbound mail, only the message of WildDuck's API is queued by the change stream; all else is the plugin's."""
    recovered = told.counted("duckwatch_backup_recovered_total", "source", "reason")
    assert recovered == {("change_stream", "never_sent"): 1}
    queued = [row for row in told.rows if row["source"] == "change_stream" and row["action"] != "stored"]
    assert [(row["queue_id"], row["action"], row["recipients"], row["sender"]) for row in queued] == [
        (told.queue_id, "queued", 2, ALICE)
    ]
    rows = [row for row in told.rows if row["source"] == "plugin"]
    ledger = draw_up(with_attempts(told.world.zonemta.recorded()), rows)
    assert ledger.missing == []
    assert ledger.unseen == []
    assert "\n".join(ledger.differences()) == ""
    assert {row["source"] for row in told.of("delivered", "bounced", "deferred")} == {"plugin"}


def test_a_bounce_that_is_posted_as_well_is_one_row(told: WildDuckRun) -> None:
    """A bounce that the plugin and http-bounce both report has one row, from the plugin."""
    bounces = told.of("bounced")
    assert sorted(row["recipient"] for row in bounces) == sorted([BY_API[1], BY_SMTP[1]])
    assert {row["source"] for row in bounces} == {"plugin"}
    assert told.counted("duckwatch_http_requests_total", "route", "code")["/api/events/bounce", "202"] == 2
    assert told.table("SELECT FROM held_events WHERE source = 'bounce'") == []


def test_mail_that_comes_in_is_stored_once_for_each_recipient(told: WildDuckRun) -> None:
    """Each LMTP delivery has one `stored` row, with category `junk` if it is filed as spam; no other mail has one."""
    stored = told.of("stored")
    assert sorted((row["message_id"], row["recipient"], row["category"]) for row in stored) == [
        ("<1@shop.example>", ALICE, None), ("<1@shop.example>", BOB, "junk"), ("<2@shop.example>", ALICE, None),
    ]  # fmt: skip
    assert {(row["direction"], row["sender"], row["source"]) for row in stored} == {
        ("inbound", "orders@shop.example", "change_stream")
    }
    assert told.counted("duckwatch_mail_events_total", "mail_cluster", "action")[CLUSTER, "stored"] == 3


def test_logins_are_counted_as_wildduck_counts_them(told: WildDuckRun) -> None:
    """Each login of WildDuck's log is counted once from the change stream, and the unknown user once from GELF."""
    found = told.table(
        "SELECT protocol, result, source, sum(count)::int FROM auth_events GROUP BY 1, 2, 3 ORDER BY 1, 2"
    )
    assert found == [
        ("imap", "failed", "change_stream", 2), ("imap", "success", "change_stream", 1),
        ("imap", "unknown_user", "gelf", 1),
        ("pop3", "failed", "change_stream", 1), ("pop3", "success", "change_stream", 1),
    ]  # fmt: skip
    with pymongo.MongoClient[Any](told.world.mongo.uri("")) as client:
        documents = list(client[DATABASE]["authlog"].find({"action": "authentication"}))
    assert sum(one["events"] for one in documents) == 5
    assert len(documents) == 4
    assert told.counted("duckwatch_auth_events_total", "protocol", "result") == {
        (protocol, result): count for protocol, result, _, count in found
    }


def test_a_message_that_is_marked_as_spam_is_told_once(told: WildDuckRun) -> None:
    """A message that is marked as spam has one audit row, and one inbound event from WildDuck's webhook."""
    (mark,) = told.of("marked_spam")
    assert (mark["direction"], mark["source"], mark["cluster"]) == ("inbound", "wildduck", CLUSTER)
    kept = Counter(ev for (ev,) in told.table("SELECT ev FROM audit_events"))
    assert (kept["user.created"], kept["marked.spam"]) == (2, 1)
