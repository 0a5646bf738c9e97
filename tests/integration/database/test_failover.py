"""A primary with a synchronous standby (real streaming replication):
failover in mid-stream, and a standby that is away.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from collector.store.writing.batch_write import PostgresStore
from tests.integration.writing.test_writer import House, request
from tests.servers.fixtures import need
from tests.servers.process import wait_until
from tests.servers.proxy import Proxy
from tests.servers.standby import Pair

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.servers

ONCE = "SELECT count(*), count(DISTINCT event_id) FROM mail_events"


@pytest.fixture
def pair(server_logs: Path) -> Iterator[Pair]:
    """Both run."""
    made = need(lambda: Pair(server_logs))
    PostgresStore(made.dsn, made.dsn).prepare()
    yield made
    made.remove()


@pytest.fixture
def house(pair: Pair, tmp_path: Path) -> Iterator[House]:
    """Writes to whichever is the primary; a peer that is silent for a second hangs."""
    dsn = pair.either_dsn
    made = House(dsn, tmp_path, PostgresStore(dsn, dsn, hang_seconds=1))
    made.start()
    yield made
    made.finish()


def settle(house: House) -> None:
    """Returns when the journal is empty."""
    wait_until(lambda: not house.journal.state.requests, "everything is written", seconds=60)


def assert_once(house: House, events: int) -> None:
    """Each event is in the table once, and counted once."""
    assert house.rows(ONCE) == [(events, events)]
    assert house.total("duckwatch_mail_events_total") == events
    assert house.total("duckwatch_store_errors_total", kind="internal") == 0


async def test_a_failover_in_mid_stream_costs_nothing(house: House, pair: Pair) -> None:
    """The primary dies while events stream in; what was committed and what was not are told apart on the new
    primary.
    """
    sent = 0
    over = asyncio.Event()

    async def stream() -> None:
        nonlocal sent
        while not over.is_set():
            await house.journal.append(request(sent))
            sent += 1

    streaming = asyncio.create_task(stream())
    await asyncio.sleep(1)  # the moment of the kill
    await asyncio.to_thread(pair.fail_over)
    enough = sent + 50
    await asyncio.to_thread(wait_until, lambda: sent > enough, "more is sent", 120)
    over.set()
    await streaming
    settle(house)
    assert_once(house, sent * 5)
    assert house.total("duckwatch_store_errors_total", kind="connection") > 0


async def test_a_standby_that_is_away_holds_commits_in_doubt(house: House, pair: Pair) -> None:
    """COMMIT waits for the standby, the writer breaks off and asks what became of it;
    once the standby is back it was written once.
    """
    await house.journal.append(request(0))
    settle(house)
    assert pair.standby is not None
    pair.standby.stop()
    for n in range(1, 20):
        await house.journal.append(request(n))
    wait_until(lambda: house.writer.trouble == "in_doubt", "the doubt is named")
    pair.standby.start()
    settle(house)
    assert_once(house, 100)
    assert house.total("duckwatch_ingest_duplicates_total") == 0


async def test_what_a_standby_never_got_is_not_taken_for_safe(house: House, pair: Pair) -> None:
    """A restarted primary shows a transaction that its standby lacks:
    the journal keeps it until the standby has it too.
    """
    await house.journal.append(request(0))
    settle(house)
    assert pair.standby is not None
    pair.standby.stop()
    await house.journal.append(request(1))
    wait_until(lambda: house.writer.trouble == "in_doubt", "the COMMIT hangs")
    pair.primary.kill()
    pair.primary.start()
    wait_until(lambda: house.rows(ONCE) == [(10, 10)], "the primary shows it")
    await asyncio.sleep(3)  # several attempts
    assert house.journal.state.requests == 1
    pair.standby.start()
    settle(house)
    assert_once(house, 10)


async def test_a_commit_whose_reply_is_lost_with_the_primary_is_known_on_the_standby(
    pair: Pair, tmp_path: Path
) -> None:
    """The standby has it, the collector never heard: after the failover it counts as written,
    and is not written twice.
    """
    with Proxy(pair.primary.port) as proxy:
        dsn = pair.either_dsn.replace(str(pair.primary.port), str(proxy.port), 1)
        house = House(dsn, tmp_path, PostgresStore(dsn, dsn, hang_seconds=1))
        house.start()
        await house.journal.append(request(0))
        settle(house)
        proxy.swallow_next_commit_reply()
        await house.journal.append(request(1))
        wait_until(lambda: proxy.swallowed == 1, "the reply is lost")
        pair.fail_over()
        await house.journal.append(request(2))
        settle(house)
        assert_once(house, 15)
        assert house.total("duckwatch_ingest_duplicates_total") == 0
        house.finish()
