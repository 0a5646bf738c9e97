"""The windows of Grafana Live equal the table, whether a commit came before, during or after the read."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import psycopg

from collector.events.model.batch import Batch
from collector.live.publisher import Publisher
from collector.live.pushing import Pusher
from collector.live.reading import WindowSelection
from collector.metrics import Metrics
from collector.store.writing.batch_write import PostgresStore
from tests.oracle.made_up import some
from tests.servers.grafana_live import frames, parse
from tests.servers.process import wait_until
from tests.unit.live.test_windows import counts, shown_in

if TYPE_CHECKING:
    import pytest


def test_a_commit_that_the_read_saw_is_not_added_again(any_dsn: str) -> None:
    """Commits that wait in the queue while the windows are read count once, and later ones are added."""
    now = int(time.time())
    store = PostgresStore(any_dsn, any_dsn)
    store.prepare()
    pusher = Pusher("http://127.0.0.1:1", "duckwatch", lambda: "t")
    publisher = Publisher(any_dsn, pusher, WindowSelection(["shop.example"], 3), metrics=Metrics(), now=lambda: now)
    events = []
    try:
        for seed in range(3):
            new = some(50, (now - 200) * 1000, now * 1000, seed)
            events += new
            publisher.inbox(store.write(Batch(new)))
            found = frames(parse((publisher._body() or "").encode()))
            assert shown_in(found["traffic"]) == counts(events, now)
            expected = counts(events, now, width=5, sender_domain="shop.example")
            assert shown_in(found["domain_shop.example"]) == expected
            assert shown_in(found["zone_bulk"]) == counts(events, now, width=5, zone="bulk")
    finally:
        publisher._session.close()
        pusher.close()
        store.close()


def test_commits_that_could_not_be_sent_are_read_again(any_dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A collector whose connection breaks while it sends its commits says so later, and the windows get them."""
    now = int(time.time())
    store = PostgresStore(any_dsn, any_dsn)
    store.prepare()
    pusher = Pusher("http://127.0.0.1:1", "duckwatch", lambda: "t")
    leader, follower = (
        Publisher(any_dsn, pusher, WindowSelection([], 3), metrics=Metrics(), now=lambda: now) for _ in range(2)
    )
    events = some(50, (now - 200) * 1000, now * 1000, 3)
    try:
        assert leader._body() is not None
        assert follower._turn() == 0
        follower.inbox(store.write(Batch(events)))
        with monkeypatch.context() as patch, psycopg.connect(any_dsn, autocommit=True) as other:
            session = follower._session
            process = session.connection().info.backend_pid
            leads = session.leads
            patch.setattr(
                session,
                "leads",
                lambda: leads() or other.execute("SELECT pg_terminate_backend(%s, 9000)", [process]) is None,
            )
            assert follower._turn() > 0
        assert follower._turn() == 0
        wait_until(
            lambda: shown_in(frames(parse((leader._body() or "").encode()))["traffic"]) == counts(events, now),
            "the commits are in the windows",
        )
    finally:
        for one in (leader, follower):
            one._session.close()
        pusher.close()
        store.close()
