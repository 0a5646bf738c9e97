"""A database that cannot be reached for want of descriptors: the shortage is named, and the connection retried."""

from __future__ import annotations

import contextlib
import os
import resource
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg import conninfo
from pymongo.errors import AutoReconnect

from collector.errors import StoreUnavailableError
from collector.feeds.mongo.trouble import trouble_of
from collector.store.database.connection import connect
from tests.integration.process.test_descriptors import Sender
from tests.servers.collector import Collector
from tests.servers.process import wait_until
from tests.servers.proxy import Proxy

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.servers


@contextlib.contextmanager
def descriptors_left(number: int) -> Iterator[None]:
    """Limit this process, within the block, to `count` more descriptors."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    free = [os.open(os.devnull, os.O_RDONLY) for _ in range(number)]
    highest = os.open(os.devnull, os.O_RDONLY)
    for one in free:
        os.close(one)
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        os.close(highest)


@pytest.mark.parametrize("left", [0, 1])
def test_a_connection_without_descriptors_fails_for_want_of_them(postgres_dsn: str, left: int) -> None:
    """A connection fails with the shortage if libpq or psycopg lacks a descriptor, and works afterwards."""
    connect(postgres_dsn).close()
    with descriptors_left(left), pytest.raises(StoreUnavailableError) as failed:
        connect(postgres_dsn)
    assert (failed.value.kind, failed.value.sqlstate) == ("descriptors", None)
    connect(postgres_dsn).close()


def test_a_change_stream_without_descriptors_fails_for_want_of_them() -> None:
    """A change stream without descriptors fails with the shortage, though pymongo reports only a failed connection."""
    with descriptors_left(0):
        assert trouble_of(AutoReconnect()) == "descriptors"
    assert trouble_of(AutoReconnect()) == "mongodb"
    assert trouble_of(OSError(24, "x")) == "descriptors"


def test_the_collector_names_the_shortage(postgres_dsn: str, tmp_path: Path, server_logs: Path) -> None:
    """/readyz, log and metric name the shortage, and every event is stored once it has ended."""
    port = int(str(conninfo.conninfo_to_dict(postgres_dsn)["port"]))
    with Proxy(port) as way:
        through = conninfo.make_conninfo(postgres_dsn, port=way.port)
        collector = Collector(tmp_path / "collector", server_logs, through)
        collector.start()
        with contextlib.closing(Sender(collector, is_tls=False)) as sender:
            assert sender.send("before") == 202
            before = resource.prlimit(collector.pid, resource.RLIMIT_NOFILE)
            resource.prlimit(collector.pid, resource.RLIMIT_NOFILE, (4, before[1]))
            way.cut()
            assert sender.send("meanwhile") == 202
            wait_until(lambda: sender.troubles().get("database") == "descriptors", "the shortage is named")
            resource.prlimit(collector.pid, resource.RLIMIT_NOFILE, before)
            wait_until(lambda: sender.troubles() == {}, "all is well again")
        assert collector.metrics()["duckwatch_store_errors_total"][(("kind", "descriptors"),)] > 0
        assert '"kind": "descriptors"' in collector.log.read_text()
        assert collector.stop() == 0
    with psycopg.connect(postgres_dsn) as connection:
        rows = connection.execute("SELECT queue_id FROM mail_events ORDER BY 1").fetchall()
    assert rows == [("before",), ("meanwhile",)]
