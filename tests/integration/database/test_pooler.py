"""PgBouncer in transaction mode between the collector and the database, and `session_dsn` past it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg import conninfo

from collector.events.model.batch import Batch
from collector.store.database.connection import deadline
from collector.store.writing.batch_write import PostgresStore
from tests.integration.senders import BATCH, Senders
from tests.oracle.made_up import DAY, NOW_MS, some
from tests.servers.collector import Collector
from tests.servers.fixtures import need
from tests.servers.pgbouncer import PgBouncer
from tests.servers.process import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.servers


@pytest.fixture
def pooler(any_dsn: str, server_logs: Path) -> Iterator[PgBouncer]:
    """Yield a pooler before the database, with one server connection for all clients."""
    if os.environ.get("DUCKWATCH_TEST_DSN"):
        pytest.skip("the pooler stands before servers of ours")
    port = int(conninfo.conninfo_to_dict(any_dsn)["port"] or 5432)
    made = need(lambda: PgBouncer(server_logs, port, {"default_pool_size": "1"}))
    made.start()
    yield made
    made.remove()


def found(dsn: str) -> list[tuple[int, int, int]]:
    """Return the numbers of rows, of different rows, and of dead letters."""
    sql = "SELECT (SELECT count(*) FROM dead_letters), count(*), count(DISTINCT (event_id, cluster)) FROM mail_events"
    with psycopg.connect(dsn) as connection:
        return connection.execute(sql).fetchall()


def test_it_pools_transactions(any_dsn: str, pooler: PgBouncer) -> None:
    """Two clients' transactions share one server connection, as the tests need."""
    with psycopg.connect(pooler.dsn(any_dsn)) as one, psycopg.connect(pooler.dsn(any_dsn)) as other:
        pids = set()
        for client in (one, other, one):
            pids.add(client.execute("SELECT pg_backend_pid()").fetchone())
            client.commit()
    assert len(pids) == 1


def test_two_collectors_share_one_server_connection(any_dsn: str, pooler: PgBouncer, tmp_path: Path) -> None:
    """Two collectors that get the same batches store and count each event once, by COPY and by merging."""
    database = {"dsn": pooler.dsn(any_dsn), "session_dsn": any_dsn}
    collectors = [Collector(tmp_path / name, tmp_path, any_dsn, {"database": database}) for name in ("one", "two")]
    for collector in collectors:
        collector.start()
    senders = Senders(collectors, twice=True)
    wait_until(lambda: sum(senders.acknowledged) >= 200 * BATCH, "enough is sent", seconds=60)
    sent = senders.finish()
    for collector in collectors:
        wait_until(lambda it=collector: it.total("duckwatch_journal_requests") == 0, "all is written", seconds=60)  # type: ignore[misc]  # mypy has no type for a default
    assert found(any_dsn) == [(0, sent, sent)]
    assert sum(collector.total("duckwatch_mail_events_total") for collector in collectors) == sent
    assert sum(collector.total("duckwatch_ingest_duplicates_total") for collector in collectors) == sent
    assert [collector.stop() for collector in collectors] == [0, 0]


def test_a_refused_copy_leaves_the_pooler_free(any_dsn: str, pooler: PgBouncer) -> None:
    """A COPY that is refused in the middle leaves the server connection usable for the next client."""
    batch = Batch(some(3000, NOW_MS - DAY, NOW_MS, seed=1))
    stores = [PostgresStore(pooler.dsn(any_dsn), any_dsn) for _ in range(10)]
    stores[0].prepare()
    for store in stores:  # each store begins with COPY, and stays open like that of an idle collector
        assert len(store.write(batch).new_events) == (len(batch.events) if store is stores[0] else 0)
        with psycopg.connect(pooler.dsn(any_dsn)) as other, deadline(other, 30):
            assert other.execute("SELECT count(*) FROM mail_events").fetchone() == (len(batch.events),)
    for store in stores:
        store.close()


def test_a_pooler_that_restarts_costs_nothing(any_dsn: str, pooler: PgBouncer, tmp_path: Path) -> None:
    """A restart of the pooler, and cut server connections, lose and double no event."""
    database = {"dsn": pooler.dsn(any_dsn), "session_dsn": any_dsn}
    collector = Collector(tmp_path / "one", tmp_path, any_dsn, {"database": database})
    collector.start()
    senders = Senders([collector])
    for _ in range(3):
        enough = sum(senders.acknowledged) + 20 * BATCH
        wait_until(lambda enough=enough: sum(senders.acknowledged) >= enough, "more is sent")  # type: ignore[misc]  # mypy has no type for a default
        pooler.stop()
        wait_until(lambda: collector.trouble() == {"database": "connection"}, "it is missed")
        pooler.start()
    sent = senders.finish()
    wait_until(lambda: collector.total("duckwatch_journal_requests") == 0, "all is written", seconds=60)
    assert found(any_dsn) == [(0, sent, sent)]
    assert collector.total("duckwatch_mail_events_total") == sent
    assert collector.stop() == 0
