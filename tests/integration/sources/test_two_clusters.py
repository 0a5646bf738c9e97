"""Two clusters with the same queue ids in one collector and one table: each event stays with its cluster."""

from __future__ import annotations

import json
import time
import zlib
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import psycopg
import pymongo
import pytest

from tests.integration.sources.zonemta_queue import Mail
from tests.oracle.gelf import mail_message
from tests.oracle.rollups import assert_rolled_up
from tests.servers.collector import Collector
from tests.servers.fixtures import need
from tests.servers.gelf import send_datagrams
from tests.servers.process import free_port, wait_until
from tests.servers.secantus import Secantus

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.servers

OTHER_TOKEN = "token-of-the-other-cluster"
ID = "1a20bd7ba7a000cd07"
TRACE = (
    "SELECT cluster, seq, action, source FROM mail_events WHERE event_id >= %s AND event_id < %s || '~'"
    " ORDER BY 1, 2 NULLS FIRST, 3"
)


class Clusters:
    """eu1 and us1: two databases of one MongoDB with the same ids, and a collector of both. GELF belongs to us1."""

    def __init__(self, folder: Path, logs: Path, dsn: str) -> None:
        self._dsn, self.gelf_port = dsn, free_port()
        self.mongo = need(lambda: Secantus(folder / "mongo", logs))
        self.mongo.start()
        self.client: pymongo.MongoClient[Any] = pymongo.MongoClient(self.mongo.uri(""))
        tokens = [{"token": Collector.token, "cluster": "eu1"}, {"token": OTHER_TOKEN, "cluster": "us1"}]
        feed = {"uri": self.mongo.uri(""), "wildduck_database": None, "grace": "1s"}
        settings = {
            "auth": {"tokens": tokens},
            "mongo": [feed | {"cluster": one, "zonemta_database": one} for one in ("eu1", "us1")],
            "gelf": {"udp": f"127.0.0.1:{self.gelf_port}", "cluster": "us1"},
        }
        self.collector = Collector(folder / "collector", logs, dsn, settings)
        self.collector.start()
        self.eu1, self.us1 = Mail(self.client["eu1"]), Mail(self.client["us1"])

    def rows(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """Return the rows of a query."""
        with psycopg.connect(self._dsn) as connection:
            return connection.execute(statement.encode(), values).fetchall()

    def counted(self, name: str, *names: str) -> dict[tuple[str, ...], float]:
        """Return the samples of a counter that are not zero, by some labels."""
        found: dict[tuple[str, ...], float] = {}
        for labels, value in self.collector.metrics().get(name, {}).items():
            key = tuple(dict(labels)[one] for one in names)
            found[key] = found.get(key, 0) + value
        return {key: value for key, value in found.items() if value}

    def stop(self) -> None:
        """Stop collector and MongoDB."""
        self.collector.stop()
        self.client.close()
        self.mongo.stop()


@pytest.fixture
def clusters(tmp_path: Path, server_logs: Path, postgres_dsn: str) -> Iterator[Clusters]:
    """Yield the clusters, followed by the collector."""
    made = Clusters(tmp_path, server_logs, postgres_dsn)
    lags = "duckwatch_changestream_lag_seconds"
    wait_until(lambda: len(made.collector.metrics().get(lags, {})) == 4, "both are followed, two collections each")
    yield made
    assert_rolled_up(postgres_dsn)
    made.stop()


def test_the_same_ids_in_two_clusters_are_two_messages(clusters: Clusters) -> None:
    """The same ids in two clusters are two messages in table, counters, queue and trace, for events of every source."""
    now = time.time_ns() // 1_000_000
    message = {"action": "QUEUED", "id": ID, "from": "a@shop.example", "to": "r001@x.example,r002@x.example"}
    delivery = {"action": "ACCEPTED", "id": ID, "seq": "001", "from": "a@shop.example", "to": "r001@x.example"}
    bounce = {
        "id": ID,
        "seq": "002",
        "to": "r002@x.example",
        "returnPath": "a@shop.example",
        "time": now,
        "response": "550 no",
    }
    for mail in (clusters.eu1, clusters.us1):
        one, two, _ = mail.queue(ID, "001", "002", "003")
        mail.defer(one, 1, "451 later")
        mail.end(one)
        mail.end(two)
    assert clusters.collector.send([{"time": now, "entry": message}, {"time": now, "entry": delivery}]) == 202
    told = mail_message(delivery, now)
    send_datagrams(clusters.gelf_port, [zlib.compress(json.dumps(told).encode())])
    headers = {"Authorization": f"Bearer {OTHER_TOKEN}", "Content-Type": "application/x-www-form-urlencoded"}
    assert clusters.collector.ask("/api/events/bounce", urlencode(bounce).encode(), headers).status == 202

    trace = [
        ("eu1", None, "queued", "plugin"),
        ("eu1", "001", "deferred", "change_stream"),
        ("eu1", "001", "delivered", "plugin"),
        ("eu1", "002", "released", "change_stream"),
        ("us1", None, "queued", "change_stream"),
        ("us1", "001", "deferred", "change_stream"),
        ("us1", "001", "delivered", "gelf"),
        ("us1", "002", "bounced", "bounce"),
    ]
    wait_until(lambda: len(clusters.rows(TRACE, ID, ID)) == len(trace), lambda: str(clusters.rows(TRACE, ID, ID)), 60)
    assert clusters.rows(TRACE, ID, ID) == trace
    waiting = [("eu1", "003"), ("us1", "003")]
    assert clusters.rows("SELECT cluster, seq FROM queue_entries ORDER BY 1") == waiting
    assert clusters.counted("duckwatch_mail_events_total", "mail_cluster", "action") == {
        (cluster, action): 1 for cluster, _, action, _ in trace
    }
    assert clusters.counted("duckwatch_backup_recovered_total", "mail_cluster", "source") == {
        ("eu1", "change_stream"): 2,
        ("us1", "change_stream"): 2,
        ("us1", "gelf"): 1,
        ("us1", "bounce"): 1,
    }

    # The plugin of one cluster takes over that cluster's row only.
    late = delivery | {"action": "REJECTED", "seq": "002", "to": "r002@x.example", "response": "550 no"}
    assert clusters.collector.send([{"time": now + 1, "entry": late}]) == 202
    trace[3] = ("eu1", "002", "bounced", "plugin")
    wait_until(lambda: clusters.rows(TRACE, ID, ID) == trace, lambda: str(clusters.rows(TRACE, ID, ID)), 30)
    assert clusters.counted("duckwatch_mail_corrections_total", "mail_cluster", "from", "to") == {
        ("eu1", "released", "bounced"): 1
    }
