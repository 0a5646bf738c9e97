"""The window `queue` of Grafana Live equals a count of ZoneMTA's queue collection, also after a restart."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pymongo
import pytest

from tests.integration.sources.zonemta_queue import Mail
from tests.servers.collector import Collector
from tests.servers.fixtures import need
from tests.servers.grafana_live import TOKEN, GrafanaLive, grafana_live
from tests.servers.process import wait_until
from tests.servers.secantus import Secantus

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pymongo.database import Database

pytestmark = pytest.mark.servers

DATABASE = "zone-mta"


class Site:
    """A MongoDB with ZoneMTA's queue, a collector that follows it, and the endpoint that it pushes to."""

    def __init__(self, database: Database[Any], collector: Collector, grafana: GrafanaLive) -> None:
        self.database, self.collector, self.grafana = database, collector, grafana

    def counted(self) -> dict[str, int]:
        """Return how many recipients wait in the collection: ZoneMTA writes `_deferred` at the first deferral."""
        queue = self.database["zone-queue"]
        deferred = queue.count_documents({"_deferred": {"$exists": True}})
        return {"deferred": deferred, "queued": queue.count_documents({}) - deferred}

    def shows(self, row: dict[str, int]) -> None:
        """Wait until the newest row of the window is this."""
        window = self.grafana.last
        wait_until(
            lambda: "queue" in window and window["queue"].rows[-1] == row,
            lambda: f"the window shows {row}: {window['queue'].rows[-1] if 'queue' in window else None}",
        )


@pytest.fixture
def site(tmp_path: Path, server_logs: Path, postgres_dsn: str) -> Iterator[Site]:
    """Yield the site, whose collector has begun to follow the empty queue."""
    mongo = need(lambda: Secantus(tmp_path / "mongo", server_logs))
    mongo.start()
    try:
        with grafana_live() as grafana, pymongo.MongoClient[Any](mongo.uri("")) as client:
            token_file = tmp_path / "live-token"
            token_file.write_text(TOKEN, encoding="utf-8")
            feed = {"cluster": "eu1", "uri": mongo.uri(""), "zonemta_database": DATABASE}
            settings = grafana.settings(token_file) | {"mongo": [feed]}
            collector = Collector(tmp_path / "collector", server_logs, postgres_dsn, settings)
            collector.start()
            made = Site(client[DATABASE], collector, grafana)
            made.shows({"deferred": 0, "queued": 0})
            yield made
            assert collector.stop() == 0
    finally:
        mongo.stop()


def test_the_window_counts_what_mongodb_counts(site: Site) -> None:
    """While messages are queued, deferred again and again, and ended, the newest row is the collection's count."""
    chance = random.Random(16)
    mail, waiting = Mail(site.database), dict[Any, int]()
    seen = set()
    for turn in range(3):
        for number in range(8):
            seqs = [f"{n:03d}" for n in range(1, chance.randint(1, 4))]
            waiting |= dict.fromkeys(mail.queue(f"1a20bd{turn:05x}{number:07x}", "000", *seqs), 0)
        for entry in chance.sample([*waiting], 10):
            waiting[entry] += 1
            mail.defer(entry, waiting[entry], "451 4.7.1 try again later")
        for entry in chance.sample([*waiting], 7):
            mail.end(entry)
            del waiting[entry]
        expected = site.counted()
        site.shows(expected)
        seen.add(tuple(expected.values()))
    assert len(seen) == 3
    assert all(deferred and queued for deferred, queued in seen)
    assert site.collector.stop() == 0
    for entry in chance.sample([*waiting], 5):
        mail.end(entry)
    site.grafana.last.clear()
    site.collector.start()
    site.shows(site.counted())
    for entry in site.database["zone-queue"].find({}):
        mail.end(entry["_id"])
    site.shows({"deferred": 0, "queued": 0})
