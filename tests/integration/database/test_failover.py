"""A primary with a synchronous standby (real streaming replication): failover under load, and a missing standby."""

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
    """Yield a running primary and standby."""
    made = need(lambda: Pair(server_logs))
    PostgresStore(made.dsn, made.dsn).prepare()
    yield made
    made.remove()


@pytest.fixture
def house(pair: Pair, tmp_path: Path) -> Iterator[House]:
    """Yield a house that writes to the present primary, and gives up a server that is silent for a second."""
    dsn = pair.either_dsn
    made = House(dsn, tmp_path, PostgresStore(dsn, dsn, hang_seconds=1))
    made.start()
    yield made
    made.finish()


def settle(house: House) -> None:
    """Return when the journal is empty."""
    wait_until(lambda: not house.journal.state.requests, "everything is written", seconds=60)


def assert_once(house: House, events: int) -> None:
    """Assert that each event is stored once and counted once."""
    assert house.rows(ONCE) == [(events, events)]
    assert house.total("duckwatch_mail_events_total") == events
    assert house.total("duckwatch_store_errors_total", kind="internal") == 0


async def test_a_failover_in_mid_stream_costs_nothing(house: House, pair: Pair) -> None:
    """After a failover under load, the writer finds on the new primary which batches were committed."""
    sent = 0
    over = asyncio.Event()

    async def stream() -> None:
        nonlocal sent
        while not over.is_set():
            await house.journal.append(request(sent))
            sent += 1

    streaming = asyncio.create_task(stream())
    await asyncio.to_thread(wait_until, lambda: house.total("duckwatch_mail_events_total"), "mail is stored", 60)
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
    """A COMMIT that waits for a missing standby is given up, and its batch is stored once when the standby is back."""
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
    """The journal keeps a batch that a restarted primary shows but its standby lacks, until the standby has it too."""
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
    """A batch whose COMMIT reached the standby, but whose reply was lost, counts as written after the failover."""
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
