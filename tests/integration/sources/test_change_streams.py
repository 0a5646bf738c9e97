"""ZoneMTA's queue through MongoDB's change streams: the right events are held, also after kills and absences."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from collector.events.border.decoding import Border
from collector.feeds.mongo import QueueReader
from collector.store.backup.stream_position import FeedLostError, FeedStore
from tests.integration.sources.following import FeedUnderTest, lead
from tests.integration.sources.zonemta_queue import Mail
from tests.servers.collector import Collector
from tests.servers.fixtures import need
from tests.servers.process import is_running, wait_until
from tests.servers.proxy import Proxy
from tests.servers.secantus import Secantus

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from collector.feeds.mongo import Follower
    from tests.integration.house import House

pytestmark = pytest.mark.servers

"""Seconds after which a deletion is seen as a separate change."""


class Stream(FeedUnderTest):
    """A follower of the queue."""

    def __init__(self, mongo: Secantus, house: House, dsn: str) -> None:
        super().__init__(mongo, house, dsn)
        self.mail = Mail(self.client["zone-mta"])

    def follow(self) -> Follower:
        """Start the follower."""
        return self.follow_with(QueueReader("zone-mta", "zone-queue", Border(bound_cluster="eu1"), {}))

    def held(self) -> list[tuple[Any, ...]]:
        """Return message, recipient, slot, action and number of recipients of the held events."""
        return self.rows(
            "SELECT queue_id, seq, slot, event ->> 'action', (event ->> 'recipients')::int FROM held_events "
            "ORDER BY 1, 2, 3"
        )

    def state(self) -> object:
        """Return the held events, to show if a wait fails."""
        return self.held()

    def column(self, name: str, slot: str) -> list[Any]:
        """Return a column of the events held for a slot."""
        rows = self.house.connection.execute("SELECT event ->> %s FROM held_events WHERE slot = %s", [name, slot])
        return [row[0] for row in rows]


@pytest.fixture
def mongo(tmp_path: Path, server_logs: Path) -> Iterator[Secantus]:
    """Yield a server for one test, which may kill it."""
    server = need(lambda: Secantus(tmp_path / "mongo", server_logs))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def stream(mongo: Secantus, house: House, any_dsn: str) -> Iterator[Stream]:
    """Yield a stream without a running follower."""
    made = Stream(mongo, house, any_dsn)
    yield made
    made.close()


def test_what_the_queue_tells_is_held(stream: Stream) -> None:
    """The queue's changes give a message with its number of recipients, each deferral and each end, without headers."""
    stream.follow()
    one, two = stream.mail.queue("q1", "001", "002")
    stream.mail.defer(one, 1, "451 4.7.1 try again later r001@x.example")
    stream.mail.defer(one, 2, None)
    stream.mail.end(one)
    stream.mail.end(two)
    stream.until(lambda: len(stream.held()) == 5)
    assert stream.held() == [
        ("q1", "", "queued", "queued", 2),
        ("q1", "001", "deferred:1", "deferred", 1),
        ("q1", "001", "deferred:2", "deferred", 1),
        ("q1", "001", "end", "released", 1),
        ("q1", "002", "end", "released", 1),
    ]
    assert stream.column("response", "deferred:2") == ["451 4.7.1 try again later r001@x.example"]
    assert stream.column("sender", "queued") == ["orders@shop.example"]
    assert stream.column("message_id", "queued") == ["<q1@shop.example>"]
    assert stream.column("zone", "end") == ["bulk", "bulk"]
    everything = stream.house.connection.execute("SELECT string_agg(event::text, ' ') FROM held_events").fetchone()
    assert everything is not None
    assert "secret" not in everything[0]
    assert stream.house.connection.execute("SELECT count(*) FROM queue_entries").fetchone() == (0,)


def test_mail_of_wildducks_api_is_known_to_have_no_hook(stream: Stream) -> None:
    """Mail of WildDuck's API, for which ZoneMTA has no hook, does not count as leaked when it is recovered."""
    stream.follow()
    stream.mail.queue("q1", "001", transtype="API")
    stream.mail.queue("q2", "001")
    stream.until(lambda: len(stream.held()) == 2)
    rows = stream.house.connection.execute("SELECT queue_id FROM held_events WHERE is_unsendable").fetchall()
    assert rows == [("q1",)]


def test_what_happened_while_nobody_followed_is_told(stream: Stream) -> None:
    """Messages that ended, or came and ended, while no follower ran are found."""
    stream.follow()
    (before,) = stream.mail.queue("q1", "001")
    stream.until(lambda: len(stream.held()) == 1)
    stream.stop()
    (meanwhile,) = stream.mail.queue("q2", "001")
    stream.mail.end(before)
    stream.mail.end(meanwhile)
    stream.follow()
    stream.until(lambda: len(stream.held()) == 4)
    assert [row[:3] for row in stream.held()] == [
        ("q1", "", "queued"),
        ("q1", "001", "end"),
        ("q2", "", "queued"),
        ("q2", "001", "end"),
    ]


def test_a_history_that_is_gone_is_made_good_from_the_queue(stream: Stream) -> None:
    """If the server no longer knows the resume token, a comparison with the queue finds what happened."""
    stream.follow()
    (before,) = stream.mail.queue("q1", "001")
    stream.until(lambda: len(stream.held()) == 1)
    stream.stop()
    stream.mail.end(before)
    _, two = stream.mail.queue("q2", "001", "002")
    stream.mail.defer(two, 1, "451 later")
    stream.house.connection.execute("UPDATE change_feeds SET token = NULL")
    stream.follow()
    stream.until(lambda: len(stream.held()) == 4)
    assert stream.held() == [
        ("q1", "", "queued", "queued", 1),
        ("q1", "001", "end", "released", 1),
        ("q2", "", "queued", "queued", 2),
        ("q2", "002", "deferred:1", "deferred", 1),
    ]
    known = stream.house.connection.execute("SELECT seq, state FROM queue_entries ORDER BY 1").fetchall()
    assert known == [("001", "queued"), ("002", "deferred")]


def test_one_follows_and_another_takes_over(stream: Stream) -> None:
    """One collector follows a feed at a time, and one that has lost its lead unnoticed changes nothing."""
    first = FeedStore(stream.dsn, "eu1", "zonemta")
    second = FeedStore(stream.dsn, "eu1", "zonemta")
    first.lead()
    with pytest.raises(FeedLostError):
        second.lead()
    with psycopg.connect(stream.dsn) as connection:
        connection.execute("UPDATE change_feeds SET epoch = epoch + 1")
    with pytest.raises(FeedLostError):
        first.commit_token("{}")
    lead(second)
    second.commit_token('{"a": 1}')
    second.close()
    assert lead(first) == '{"a": 1}'
    first.close()


def test_a_server_that_is_killed_is_followed_again(stream: Stream) -> None:
    """After a kill of the server the stream continues at its position."""
    stream.follow()
    stream.mail.queue("q1", "001")
    stream.until(lambda: len(stream.held()) == 1)
    stream.mongo.kill()
    stream.until(lambda: stream.follower is not None and stream.follower.trouble == "mongodb")
    stream.mongo.start()
    stream.mail.queue("q2", "001")
    stream.until(lambda: len(stream.held()) == 2)


def test_a_silent_server_does_not_keep_the_collector(
    mongo: Secantus, tmp_path: Path, server_logs: Path, postgres_dsn: str
) -> None:
    """A collector stops at once, though a silent MongoDB keeps its connections open."""
    with Proxy(mongo.port) as proxy:
        uri = f"mongodb://127.0.0.1:{proxy.port}/?directConnection=true"
        clusters = [{"cluster": name, "uri": uri} for name in ("eu1", "us1")]
        collector = Collector(tmp_path / "collector", server_logs, postgres_dsn, {"mongo": clusters})
        collector.start()
        proxy.go_deaf_to(b"getMore")
        wait_until(lambda: proxy.silenced == 2 * len(clusters), "every feed waits")
        os.kill(collector.pid, signal.SIGTERM)
        wait_until(lambda: not is_running(collector.pid), "it ends")
        assert collector.stop() == 0
        assert '"stopped"' in collector.log.read_text(encoding="utf-8")
