"""`duckwatch_store_up`, and what a running collector shows of its settings and its version."""

from __future__ import annotations

from collections import Counter
from importlib.metadata import version
from typing import TYPE_CHECKING

import pytest
from psycopg import conninfo

from collector.events.replies.provider_codes import SIGNALS
from tests.integration.database.test_faults import events
from tests.servers.collector import Collector
from tests.servers.process import free_port, wait_until
from tests.servers.proxy import Proxy

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.servers


def up(collector: Collector) -> float | None:
    """Return the gauge, or None while it is absent."""
    return collector.metrics().get("duckwatch_store_up", {}).get(())


def test_it_is_the_writers_last_word(postgres_dsn: str, tmp_path: Path) -> None:
    """It is 1 while the database takes writes, 0 while it is away, and 1 again; nothing is lost."""
    port = int(str(conninfo.conninfo_to_dict(postgres_dsn)["port"]))
    with Proxy(port) as proxy:
        collector = Collector(tmp_path, tmp_path, conninfo.make_conninfo(postgres_dsn, port=proxy.port))
        collector.start()
        try:
            wait_until(lambda: up(collector) == 1, "the writer has begun", seconds=60)
            proxy.point_at(free_port())
            proxy.cut()
            assert collector.send(events(3)) == 202
            wait_until(lambda: up(collector) == 0, "the database is away", seconds=60)
            proxy.point_at(port)
            wait_until(lambda: up(collector) == 1, "it is there again", seconds=60)
            wait_until(lambda: collector.total("duckwatch_mail_events_total") == 3, "all is written", seconds=60)
            assert "duckwatch_store_capacity_bytes" not in collector.metrics()
        finally:
            collector.stop()


def test_the_version_the_capacity_and_the_addresses_are_shown(postgres_dsn: str, tmp_path: Path) -> None:
    """The version and the capacity are metrics, and each code of the table is 0 for each configured address."""
    settings = {
        "database": {"dsn": postgres_dsn, "capacity": "500GiB"},
        "public_ips": {"10.0.0.5": "192.0.2.5"},
        "sending_ips": ["192.0.2.7", "10.0.0.5"],
    }
    collector = Collector(tmp_path, tmp_path, postgres_dsn, settings)
    collector.start()
    try:
        found = collector.metrics()
    finally:
        collector.stop()
    assert found["duckwatch_store_capacity_bytes"] == {(): 500 << 30}
    assert found["duckwatch_build_info"] == {(("version", version("duckwatch")),): 1}
    signals = found["duckwatch_mail_provider_signals_total"]
    assert set(signals.values()) == {0}
    assert Counter(dict(labels)["local_ip"] for labels in signals) == {
        "192.0.2.5": len(SIGNALS),
        "192.0.2.7": len(SIGNALS),
    }
