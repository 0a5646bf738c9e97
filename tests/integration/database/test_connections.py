"""The connection to the database breaks, hangs or loses replies: every event is stored once and counted once."""

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
"""Number of lost replies on each of two databases. `make crash` raises it."""
ONCE = "SELECT count(*), count(DISTINCT event_id) FROM mail_events"


@pytest.fixture
def proxy(any_dsn: str) -> Iterator[Proxy]:
    """Yield a proxy between the store and the database."""
    with Proxy(int(conninfo.conninfo_to_dict(any_dsn)["port"] or 5432)) as made:
        yield made


@pytest.fixture
def house(any_dsn: str, proxy: Proxy, tmp_path: Path) -> Iterator[House]:
    """Yield a house that writes through the proxy, and gives up a server that is silent for a second."""
    dsn = conninfo.make_conninfo(any_dsn, port=proxy.port)
    made = House(any_dsn, tmp_path, PostgresStore(dsn, dsn, hang_seconds=1))
    made.start()
    yield made
    made.finish()


async def fill(house: House, first: int, requests: int) -> None:
    """Append requests. Return when they are acknowledged."""
    await asyncio.gather(*(house.journal.append(request(n)) for n in range(first, first + requests)))


def settle(house: House) -> None:
    """Return when the journal is empty."""
    wait_until(lambda: not house.journal.state.requests, "everything is written", seconds=60)


async def test_swallowed_replies_to_commit_cost_nothing(house: House, proxy: Proxy) -> None:
    """Lost replies to COMMIT double no event, and the counters equal the rows."""
    for n in range(LOST_REPLIES):
        proxy.swallow_next_commit_reply()
        await fill(house, n * 2, 2)
        settle(house)
    assert proxy.swallowed == LOST_REPLIES
    assert house.rows(ONCE) == [(LOST_REPLIES * 10, LOST_REPLIES * 10)]
    assert house.total("duckwatch_mail_events_total") == LOST_REPLIES * 10
    assert house.total("duckwatch_ingest_duplicates_total") == 0


async def test_cut_connections_cost_nothing(house: House, proxy: Proxy) -> None:
    """Connections that are cut at random moments lose and double no event."""
    for n in range(ROUNDS):
        await fill(house, n * 20, 20)
        proxy.cut()
    settle(house)
    assert house.rows(ONCE) == [(ROUNDS * 100, ROUNDS * 100)]
    assert house.total("duckwatch_mail_events_total") == ROUNDS * 100


async def test_a_deaf_peer_is_left_and_tried_again(house: House, proxy: Proxy) -> None:
    """A write to a server that keeps the connection but does not answer is given up and repeated."""
    await fill(house, 0, 10)
    settle(house)
    proxy.go_deaf()
    await fill(house, 10, 10)
    wait_until(lambda: house.total("duckwatch_store_errors_total", kind="connection") > 0, "the silence is noticed")
    proxy.hear_again()
    settle(house)
    assert house.rows(ONCE) == [(100, 100)]
    assert house.total("duckwatch_mail_events_total") == 100
