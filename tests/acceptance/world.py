"""The whole way in one place: ZoneMTA with our plugin, its MongoDB, Redis and sinks; the collector; TimescaleDB;
Prometheus.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tests.servers.collector import Collector
from tests.servers.process import free_port
from tests.servers.prometheus import Prometheus
from tests.servers.proxy import Proxy
from tests.servers.redis import Redis
from tests.servers.secantus import Secantus
from tests.servers.sinks import Sinks
from tests.servers.timescale import Timescale
from tests.servers.wildduck import DATABASE, WildDuck
from tests.servers.zonemta import Options, ZoneMTA

if TYPE_CHECKING:
    from pathlib import Path

CLUSTER = "eu1"
HOST = "mta1.mail.example"


class World:
    """Every server of a mail system that is watched. Raises `MissingServerError` where one is not installed."""

    def __init__(
        self, folder: Path, logs: Path, *, small: bool = False, backed_up: bool = False, with_wildduck: bool = False
    ) -> None:
        """`small`: a ZoneMTA with the zones that it cannot do without, and no checks for spam and viruses. `backed_up`:
        with all other roads: the collector follows MongoDB's change stream, ZoneMTA posts its bounces,
        and GELF is taken on `gelf_port`. `with_wildduck`: a WildDuck on the same MongoDB and Redis is followed too,
        sends webhooks and GELF.
        """
        self.sinks = Sinks(folder, logs)
        self.redis = Redis(logs)
        # Only where it is followed is it killed.
        self.mongo = Secantus(folder / "mongo", logs, sync=backed_up and not with_wildduck)
        self.postgres = Timescale(logs)
        self._folder, self._logs, self._is_small, self._is_backed_up = folder, logs, small, backed_up
        self.spool = folder / "spool"
        self.gelf_port = free_port()
        self._with_wildduck = with_wildduck
        if with_wildduck:
            mongo = self.mongo.uri(DATABASE)
            self.wildduck = WildDuck(folder / "wildduck", logs, mongo, self.redis.port, gelf_port=self.gelf_port)
        self.dsn = ""

    def start(self) -> None:
        """Starts all of it, the databases first; returns when ZoneMTA takes mail."""
        self.postgres.initialise()
        self.postgres.start()
        self.dsn = self.postgres.create_database()
        self.mongo.start()
        self.collector = Collector(self._folder / "collector", self._logs, self.dsn, self._other_roads())
        self.collector.start()
        if self._is_backed_up:
            self.road = Proxy(self.collector.port)
        targets = {"duckwatch": [f"127.0.0.1:{self.collector.port}"]}
        self.prometheus = Prometheus(self._folder / "prometheus", self._logs, targets)
        self.prometheus.start()
        self.sinks.start()
        self.redis.start()
        options = Options(plugin=self.plugin)
        if self._is_small:
            options = replace(options, zones=("default", "bounces"), checks=False)
        if self._is_backed_up:
            options = replace(options, bounce_url=f"{self.collector.url_with_token}/api/events/bounce")
        if self._with_wildduck:
            self.wildduck.start()
            self.wildduck.post_webhooks(f"{self.collector.url_with_token}/api/events/wildduck")
        mongo = self.mongo.uri("zone-mta")
        self.zonemta = ZoneMTA(self._folder / "zonemta", self._logs, self.sinks, mongo, self.redis.port, options)
        self.zonemta.start()

    def stop(self) -> None:
        """Ends all of it; what did not start is left out."""
        for name in ("wildduck", "zonemta", "collector", "prometheus", "mongo", "redis", "sinks"):
            server = getattr(self, name, None)
            if server is not None:
                server.stop()
        self.postgres.remove()

    @property
    def plugin(self) -> dict[str, Any]:
        """The settings of ZoneMTA's plugin."""
        return {
            "url": f"{self.road_url}/api/events/ingest",
            "token": Collector.token,
            "host": HOST,
            "spool": str(self.spool),
            "batchAge": 100,
            "deadAfter": 3000,
        }

    def _other_roads(self) -> dict[str, Any]:
        """Settings of the collector."""
        if not self._is_backed_up:
            return {}
        wildduck = DATABASE if self._with_wildduck else None
        mongo = {"cluster": CLUSTER, "uri": self.mongo.uri(""), "wildduck_database": wildduck, "grace": "3s"}
        return {"mongo": [mongo], "gelf": {"udp": f"127.0.0.1:{self.gelf_port}", "cluster": CLUSTER}}

    @property
    def road_url(self) -> str:
        """Where the plugin finds the collector: in a world with another road, over one that can be cut."""
        return f"http://127.0.0.1:{self.road.port}" if self._is_backed_up else self.collector.url

    def unsent(self) -> list[str]:
        """The spools that still hold something to send (their processes' ids), by the plugin's own files."""
        return [folder.name for folder in self.spool.iterdir() if _holds_events(folder)]


def _holds_events(folder: Path) -> bool:
    try:
        return any(file.stat().st_size for file in folder.iterdir() if file.suffix not in (".json", ".new"))
    except FileNotFoundError:  # claimed or removed meanwhile
        return False
