"""The way to the database is cut, deaf, or swallows answers: every event is once in the table, and counted once."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

import pytest
from psycopg import conninfo

from collector.store.writing.batch_write import PostgresStore
from tests.integration.writing.test_writer import House, request
from tests.servers.process import wait_until
from tests.servers.proxy import Proxy

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ROUNDS = 20
LOST_REPLIES = 100 if "DUCKWATCH_CRASH_ROUNDS" not in os.environ else 10 * int(os.environ["DUCKWATCH_CRASH_ROUNDS"])
"""On each of two databases; `make crash` doubles it."""
ONCE = "SELECT count(*), count(DISTINCT event_id) FROM mail_events"


@pytest.fixture
def proxy(any_dsn: str) -> Iterator[Proxy]:
    """Between the store and the database."""
    with Proxy(int(conninfo.conninfo_to_dict(any_dsn)["port"] or 5432)) as made:
        yield made


@pytest.fixture
def house(any_dsn: str, proxy: Proxy, tmp_path: Path) -> Iterator[House]:
    """Writes through the proxy; a peer that is silent for a second hangs."""
    dsn = conninfo.make_conninfo(any_dsn, port=proxy.port)
    made = House(any_dsn, tmp_path, PostgresStore(dsn, dsn, hang_seconds=1))
    made.start()
    yield made
    made.finish()


async def fill(house: House, first: int, requests: int) -> None:
    """Appends requests; returns when they are acknowledged."""
    await asyncio.gather(*(house.journal.append(request(n)) for n in range(first, first + requests)))


def settle(house: House) -> None:
    """Returns when the journal is empty."""
    wait_until(lambda: not house.journal.state.requests, "everything is written", seconds=60)


async def test_swallowed_replies_to_commit_cost_nothing(house: House, proxy: Proxy) -> None:
    """Each time the server has committed and we do not know: counters equal rows, no event is doubled."""
    for n in range(LOST_REPLIES):
        proxy.swallow_next_commit_reply()
        await fill(house, n * 2, 2)
        settle(house)
    assert proxy.swallowed == LOST_REPLIES
    assert house.rows(ONCE) == [(LOST_REPLIES * 10, LOST_REPLIES * 10)]
    assert house.total("duckwatch_mail_events_total") == LOST_REPLIES * 10
    assert house.total("duckwatch_ingest_duplicates_total") == 0


async def test_cut_connections_cost_nothing(house: House, proxy: Proxy) -> None:
    """Connections are cut at any moment of a stream of events."""
    for n in range(ROUNDS):
        await fill(house, n * 20, 20)
        proxy.cut()
    settle(house)
    assert house.rows(ONCE) == [(ROUNDS * 100, ROUNDS * 100)]
    assert house.total("duckwatch_mail_events_total") == ROUNDS * 100


async def test_a_deaf_peer_is_left_and_tried_again(house: House, proxy: Proxy) -> None:
    """A server, or a proxy, that keeps the connection and says nothing: the write is broken off and repeated."""
    await fill(house, 0, 10)
    settle(house)
    proxy.go_deaf()
    await fill(house, 10, 10)
    wait_until(lambda: house.total("duckwatch_store_errors_total", kind="connection") > 0, "the silence is noticed")
    proxy.hear_again()
    settle(house)
    assert house.rows(ONCE) == [(100, 100)]
    assert house.total("duckwatch_mail_events_total") == 100
